"""Models as others publish them: found by name, renamed, folded, and ready to run."""
