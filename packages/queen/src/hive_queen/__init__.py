"""The queen's loops: claim, reap, sweep, reconcile, elect."""
