"""`python -m hive` is `hive`; the supervisor starts its children this way, with its own Python."""

from hive.entry import main

main()
