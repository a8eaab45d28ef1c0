"""Every metric and log field of Hive, declared in one place."""
