"""Tasks out of a Hive and into another, as lines of JSON in files or pipes."""
