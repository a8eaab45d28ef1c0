"""Tasks, leases, attempts, events and output in Postgres."""
