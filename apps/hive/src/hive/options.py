"""The options that every command has: where the servers and the files are, and any setting.

    @with_options
    def status(options: Options, *, json: Json = False) -> None:
        settings = options.settings()

The command is given an `Options`; the flags are added to its signature, where typer finds them.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec, TypeAlias

import typer

from hive.completing import settings_to_give
from hive_contracts.errors import ConfigurationError

if TYPE_CHECKING:
    from hive.settings import Settings

__all__ = ["Json", "Options", "with_options"]

P = ParamSpec("P")

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]

FLAGS: Final[dict[str, Any]] = {
    "data_dir": Annotated[
        str | None,
        typer.Option("--data-dir", metavar="PATH", help="Where this Hive keeps its files."),
    ],
    "database_url": Annotated[
        str | None,
        typer.Option("--database-url", metavar="URL", help="Postgres to use."),
    ],
    "redis_url": Annotated[
        str | None,
        typer.Option("--redis-url", metavar="URL", help="Redis to use."),
    ],
    "config": Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Read FILE, not the project's hive.toml."),
    ],
    "changes": Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting, as in worker.slots=8.",
            autocompletion=settings_to_give,
        ),
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says about settings."""

    data_dir: str | None = None
    database_url: str | None = None
    redis_url: str | None = None
    config: Path | None = None
    changes: list[str] | None = None

    def settings(self, **flags: object) -> "Settings":
        """Read every source of settings; warn on stderr of what is odd.

        Args:
            flags: what other flags of the command say, as `section__name=value`; None for nothing.

        Raises:
            ConfigurationError: a setting is unknown, malformed, or contradicts another.
        """
        from hive.printing import say  # noqa: PLC0415 - `hive --help` must not pay for settings
        from hive.settings import load  # noqa: PLC0415

        # What a flag does not say must not hide what --set does.
        of_command = {
            key.replace("__", "."): value for key, value in flags.items() if value is not None
        }
        settings = load(flags=self._named() | of_command, config=self.config)
        for warning in settings.warnings:
            say(f"hive: {warning}")
        return settings

    def _named(self) -> dict[str, object]:
        return dict(_change(text) for text in self.changes or ()) | {
            key: value
            for key, value in {
                "services.data_dir": self.data_dir,
                "database.url": self.database_url,
                "redis.url": self.redis_url,
            }.items()
            if value is not None
        }


def with_options(command: Callable[Concatenate[Options, P], None]) -> Callable[P, None]:
    """Give `command` the common flags, and hand it what they say as its first argument."""

    @functools.wraps(command)
    def parsed(*args: P.args, **kwargs: P.kwargs) -> None:
        given: dict[str, Any] = {name: kwargs.pop(name, None) for name in FLAGS}
        command(Options(**given), *args, **kwargs)

    own = list(inspect.signature(command).parameters.values())[1:]
    flags = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in FLAGS.items()
    ]
    parsed.__signature__ = inspect.Signature([*own, *flags])  # pyright: ignore[reportAttributeAccessIssue]
    return parsed


def _change(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"--set needs KEY=VALUE, as in worker.slots=8; it got {text!r}")
    return key.strip(), value.strip()
