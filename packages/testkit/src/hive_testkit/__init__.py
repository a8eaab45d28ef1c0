"""A Postgres and a Redis of one's own, clocks and conformance suites for tests."""
