"""What a shell may complete on Hive's command line, beside commands and options: names of things.

Nothing here asks a server: an answer that takes a second is worse than none.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["answer_shells", "kinds", "models", "queues", "setting_keys", "settings_to_give"]


def answer_shells() -> None:
    """Teach typer the shells that may ask; only needed when one does."""
    from typer.completion import (  # noqa: PLC0415
        completion_init,  # pyright: ignore[reportPrivateImportUsage] - it has no public home
    )

    completion_init()


def kinds(incomplete: str) -> list[str]:
    """Return the kinds of tasks that are installed here."""
    from importlib.metadata import entry_points  # noqa: PLC0415

    from hive_contracts.execution import EXECUTOR_GROUP  # noqa: PLC0415

    return _beginning(incomplete, [entry.name for entry in entry_points(group=EXECUTOR_GROUP)])


def models(incomplete: str) -> list[str]:
    """Return the models that are here."""
    from hive.settings import load  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415
    from hive_inference.models.registry import Registry  # noqa: PLC0415

    try:
        shelves = load().inference.path
    except ConfigurationError:
        return []
    return _beginning(incomplete, Registry(shelves=shelves).names())


def queues(incomplete: str) -> list[str]:
    """Return the queues that the settings have workers serve."""
    from hive.settings import load  # noqa: PLC0415
    from hive_contracts.errors import ConfigurationError  # noqa: PLC0415

    try:
        served = load().worker.queues
    except ConfigurationError:
        # Told when the command is run; a complaint amid a line being typed helps nobody.
        return []
    return _beginning(incomplete, served)


def setting_keys(incomplete: str) -> list[str]:
    """Return the keys of settings."""
    from hive.settings import setting_types  # noqa: PLC0415

    return _beginning(incomplete, setting_types())


def settings_to_give(incomplete: str) -> list[str]:
    """Return the keys of settings as `--set` takes them, with an equals sign."""
    return [f"{key}=" for key in setting_keys(incomplete)]


def _beginning(incomplete: str, names: "Iterable[str]") -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
