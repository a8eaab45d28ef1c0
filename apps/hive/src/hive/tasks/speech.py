"""Whether people can speak with a task, as it was submitted."""

from typing import Any, cast

from hive_contracts.tasks import TaskRecord

__all__ = ["has_open_input", "has_terminal"]


def has_terminal(record: TaskRecord) -> bool | None:
    """Return whether a task was submitted with a terminal; None if only its worker can tell."""
    payload = _payload(record)
    return None if _is_sealed(payload) else bool(payload.get("pty"))


def has_open_input(record: TaskRecord) -> bool:
    """Return whether a task was submitted with something to read from that stays open."""
    payload = _payload(record)
    # Whoever cannot read the payload is told by the worker whether there is one.
    return bool(payload.get("pty") or payload.get("stdin_open") or _is_sealed(payload))


def _payload(record: TaskRecord) -> dict[str, Any]:
    return cast("dict[str, Any]", record.payload) if isinstance(record.payload, dict) else {}


def _is_sealed(payload: dict[str, Any]) -> bool:
    return any(name.startswith("$") for name in payload)
