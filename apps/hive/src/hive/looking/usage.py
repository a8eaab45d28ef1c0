"""What a command used, in a line: from the result of its task."""

from typing import Any, Final, cast

from hive.durations import show_seconds
from hive.words import counted

__all__ = ["show_size", "used"]

KIB: Final = 1024
TEN: Final = 10

FIELDS: Final = ("run_seconds", "cpu_seconds", "peak_memory_bytes", "stdout_bytes", "stderr_bytes")


def used(result: object) -> str | None:
    """Return what is said there of time, memory and output; None if that is not all there."""
    if not isinstance(result, dict):
        return None
    fields = cast("dict[str, Any]", result)
    if not all(isinstance(fields.get(name), int | float) for name in FIELDS):
        return None
    code, signal = fields.get("exit_code"), fields.get("signal")
    left = fields.get("left_behind")
    parts = [
        f"exit code {code}" if signal is None else f"killed by {signal}",
        f"after {show_seconds(fields['run_seconds'])}",
        f"{show_seconds(fields['cpu_seconds'])} of processor time",
        f"{show_size(fields['peak_memory_bytes'])} of memory at most",
        f"{show_size(fields['stdout_bytes'] + fields['stderr_bytes'])} printed",
        f"{counted(left, 'process', 'processes')} left behind and ended" if left else "",
    ]
    return ", ".join(part for part in parts if part)


def show_size(size_bytes: float) -> str:
    """Return a size with as much detail as is of use: 512 B, 3.2 KiB, 18 MiB."""
    units = ("B", "KiB", "MiB", "GiB")
    unit = 0
    while size_bytes >= KIB and unit < len(units) - 1:
        size_bytes /= KIB
        unit += 1
    text = f"{size_bytes:.1f}" if unit and size_bytes < TEN else f"{size_bytes:.0f}"
    return f"{text} {units[unit]}"
