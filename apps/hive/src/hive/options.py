"""The options that every command has: where the servers and the files are, and any setting.

    @with_options
    def status(options: Options, *, json: Json = False) -> None:
        settings = options.settings()

The command is given an `Options`; the flags are added to its signature, where typer finds them.
Flags that several commands have are a dataclass, `Flags`; a command that has a parameter of such a
type has the flags in its place, and is given what they say.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Concatenate,
    Final,
    ParamSpec,
    TypeAlias,
    get_type_hints,
)

import typer

from hive.completing import settings_to_give
from hive_contracts.errors import ConfigurationError

if TYPE_CHECKING:
    from hive.settings import Settings

__all__ = ["Flags", "Json", "Options", "with_options"]

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


class Flags:
    """Flags that several commands have: a dataclass, a field for each, annotated as typer wants."""


def with_options(command: Callable[Concatenate[Options, P], None]) -> Callable[P, None]:
    """Give `command` the common flags, and those of its parameters that are `Flags`.

    What the common ones say is handed to it as its first argument.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    sets = {one.name: one.annotation for one in own if _is_flags(one.annotation)}

    @functools.wraps(command)
    def parsed(*args: P.args, **kwargs: P.kwargs) -> None:
        given: dict[str, Any] = {name: kwargs.pop(name, None) for name in FLAGS}
        for parameter, flags in sets.items():
            names = [field.name for field in fields(flags) if field.name in kwargs]
            kwargs[parameter] = flags(**{name: kwargs.pop(name) for name in names})
        command(Options(**given), *args, **kwargs)

    shown = [flag for one in own for flag in ([one] if one.name not in sets else _shown(one))]
    common = [_flag(name, kind, None) for name, kind in FLAGS.items()]
    parsed.__signature__ = inspect.Signature([*shown, *common])  # pyright: ignore[reportAttributeAccessIssue]
    return parsed


def _is_flags(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Flags)


def _shown(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    flags = parameter.annotation
    kinds = get_type_hints(flags, include_extras=True)
    return [_flag(field.name, kinds[field.name], field.default) for field in fields(flags)]


def _flag(name: str, kind: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _change(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"--set needs KEY=VALUE, as in worker.slots=8; it got {text!r}")
    return key.strip(), value.strip()
