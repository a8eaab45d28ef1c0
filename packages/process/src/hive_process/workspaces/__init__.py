"""The directories in which commands work: made whole, kept or cleaned, and what changed in them."""
