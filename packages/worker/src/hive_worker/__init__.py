"""The worker's loops: accept, run, heartbeat, record, drain."""
