"""A fleet of agents on two machines, and what Hive claims for them: `make fleet`."""
