"""One file for each figure, or for figures that come from the same measurement."""
