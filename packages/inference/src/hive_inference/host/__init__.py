"""Engines beside the event loop: in child processes, or in a thread if there are to be none."""
