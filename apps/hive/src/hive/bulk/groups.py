"""Names for tasks that are submitted together."""

import secrets
from datetime import datetime

__all__ = ["new_group"]


def new_group(what: str) -> str:
    """Return a name that nobody has used: what it is, the day, and some random digits."""
    today = datetime.now().astimezone()
    return f"{what}-{today:%Y%m%d}-{secrets.token_hex(3)}"
