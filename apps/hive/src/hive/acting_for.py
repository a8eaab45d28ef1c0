"""Who is named in the audit log: the settings' actor, else the user of this system."""

from hive.settings import Settings
from hive_store.deeds import Actor, myself

__all__ = ["actor_of"]


def actor_of(settings: Settings) -> Actor:
    """Return who does something here, and from which host."""
    return myself(settings.audit.actor)
