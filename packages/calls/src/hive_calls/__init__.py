"""Runs Python functions by import path, async ones in the loop, sync ones in child processes."""

from hive_calls.own_task import fetch_parents, read_parents, submit_on_success

__all__ = ["fetch_parents", "read_parents", "submit_on_success"]
