"""Runs Python functions by import path, async ones in the loop, sync ones in child processes."""
