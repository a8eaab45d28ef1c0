"""Breaks a working Hive in every way that the machine permits, and proves what it kept."""
