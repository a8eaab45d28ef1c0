"""Bundles of leased tasks from queens to workers, over arq."""
