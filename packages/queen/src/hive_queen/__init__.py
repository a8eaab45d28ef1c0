"""The queen's loops: claim, reap, sweep, reconcile, and the duties of a term."""
