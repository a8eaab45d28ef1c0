"""What Hive costs and how fast it is, beside its peers and the limits of its servers."""
