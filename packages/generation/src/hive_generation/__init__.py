"""Generates text and embeds sentences as tasks, with models that a worker loads once."""
