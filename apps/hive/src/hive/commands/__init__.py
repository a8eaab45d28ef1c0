"""The subcommands of `hive`, a module each."""
