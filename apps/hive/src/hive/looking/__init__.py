"""Commands that look and change nothing: `list`, `show`, `status`, `workers`, `events`, `logs`."""
