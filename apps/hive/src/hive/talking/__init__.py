"""Speak with tasks that run: type into them, and watch their terminals."""
