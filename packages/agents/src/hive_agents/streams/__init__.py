"""What agents print, and what it says: one reader for each way of speaking."""
