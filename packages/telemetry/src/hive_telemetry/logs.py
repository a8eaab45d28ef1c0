"""Log lines: one event, its fields, and which process it was.

`configure` is called once, by the command that is the process; everything else asks for a `logger`.
Lines go to stderr: stdout is data. On a terminal they are made for eyes, elsewhere they are JSON.
Libraries that log through the standard library come out in the same form, from WARNING on.

A line that cannot be written (a full disk, a reader that has left) is dropped: work goes on unseen.
"""

import logging
import os
import sys
from contextlib import suppress
from enum import StrEnum, unique
from typing import Any, Final, TextIO, TypeAlias, cast

from hive_contracts.deferring import deferred

with deferred("rich", "rich.console", "rich.pretty", "rich.traceback"):
    import structlog
    from structlog.typing import FilteringBoundLogger, Processor

    from hive_telemetry.outages import Outages

__all__ = ["LEVELS", "LogFormat", "Logger", "configure", "logger"]

Logger: TypeAlias = FilteringBoundLogger

LEVELS: Final = ("debug", "info", "warning", "error")


@unique
class LogFormat(StrEnum):
    """What a log line looks like."""

    AUTO = "auto"
    """`console` on a terminal, else `json`."""

    CONSOLE = "console"
    JSON = "json"


def configure(
    *,
    role: str,
    level: str = "info",
    format: LogFormat = LogFormat.AUTO,  # noqa: A002 - the word of the setting
    stream: TextIO | None = None,
) -> None:
    """Set up logging for this process; a second call replaces the first.

    Args:
        role: what this process is (queen, worker, ...); with the pid, in every line.
        level: one of `LEVELS`; anything less urgent is dropped.
        format: what a line looks like.
        stream: where lines go; stderr if None.
    """
    target = stream or sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared = _processors(role)
    renderer = _renderer(format, target)
    structlog.configure(
        processors=[Outages(), *shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Patient(target))),
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_module],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def logger(name: str) -> Logger:
    """Return a logger whose lines say where they come from."""
    return cast("Logger", structlog.get_logger(module=name))


class _Patient:
    """A stream that takes lines whether or not they can be written: no work depends on them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def _processors(role: str) -> list[Processor]:
    pid = os.getpid()

    def name_process(_logger: Any, _method: str, event: Any) -> Any:
        event["role"] = role
        event["pid"] = pid
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
    ]


def _name_module(_logger: Any, _method: str, event: Any) -> Any:
    event["module"] = event["_record"].name
    return event


def _renderer(wanted: LogFormat, target: TextIO) -> list[Processor]:
    is_console = target.isatty() if wanted is LogFormat.AUTO else wanted is LogFormat.CONSOLE
    # A traceback without the values of variables: they hold payloads, and URLs with passwords.
    if is_console:
        has_colors = target.isatty() and "NO_COLOR" not in os.environ
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=has_colors, exception_formatter=plain)]
    to_dict = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(to_dict), structlog.processors.JSONRenderer()]
