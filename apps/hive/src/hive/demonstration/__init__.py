"""What `hive demo` shows."""
