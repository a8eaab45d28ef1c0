"""Submit tasks and wait for their results from Python."""
