"""Commands that queue tasks: `hive run` and `hive submit`; and lines on their way to be tasks."""
