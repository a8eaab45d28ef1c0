"""Coding agents at the command line: what is typed of them, and what is told of them."""
