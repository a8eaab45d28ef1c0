"""Commands that act on tasks, named or found by what they are: `hive cancel` and `hive retry`."""
