"""Models on this machine, without a queue."""
