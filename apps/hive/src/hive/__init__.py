"""The hive command line, and the place where Hive's parts are put together."""
