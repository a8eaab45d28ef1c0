"""`hive map`: a command for each line, its outputs, its limit, and what Ctrl-C means meanwhile."""
