"""Verse made by a small model, and what becomes of it: haiku, sonnets, prose, and their cascade."""
