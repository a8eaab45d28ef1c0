"""Log lines: one event, its fields, and which process it was.

`configure` is called once, by the command that is the process; everything else asks for a `logger`.
Lines go to stderr: stdout is data. On a terminal they are made for eyes, elsewhere they are JSON.
Libraries that log through the standard library come out in the same form, from WARNING on.
"""

import logging
import os
import sys
from enum import StrEnum, unique
from typing import Any, Final, TextIO, TypeAlias, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

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
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(target),
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
    if is_console:
        has_colors = target.isatty() and "NO_COLOR" not in os.environ
        return [structlog.dev.ConsoleRenderer(colors=has_colors)]
    return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
