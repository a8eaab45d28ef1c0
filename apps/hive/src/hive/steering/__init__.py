"""What people do to queues and limits from the command line."""
