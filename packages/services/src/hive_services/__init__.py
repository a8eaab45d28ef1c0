"""A Postgres and a Redis of one's own for one machine: find, start, stop."""
