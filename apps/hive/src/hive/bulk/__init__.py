"""Many tasks at once: from files and streams of lines into the Hive, and what comes of them."""
