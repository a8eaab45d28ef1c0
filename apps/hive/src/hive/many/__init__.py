"""Seeing many tasks at once, and acting on them: by their ids, or by what they have in common."""
