"""Runs Python functions by import path, async ones in the loop, sync ones in child processes."""

from hive_calls.life import show_life
from hive_calls.own_task import (
    fetch_answers,
    fetch_parents,
    read_answers,
    read_parents,
    submit_on_success,
)

__all__ = [
    "fetch_answers",
    "fetch_parents",
    "read_answers",
    "read_parents",
    "show_life",
    "submit_on_success",
]
