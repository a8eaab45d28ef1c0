"""What an agent has used, in words: money first, and what nobody knows is said to be unknown."""

from typing import Any, Final, cast

from hive_store.task_store import EndedTask

__all__ = ["used_in_words"]

CENT: Final = 0.01


def used_in_words(ended: EndedTask) -> str | None:
    """Return what an agent has used; None if the task was none, or never began."""
    result: dict[str, Any] = {}
    if isinstance(ended.result, dict):
        result = cast("dict[str, Any]", ended.result)
    if "profile" not in result:
        return None
    cost, written, turns = result.get("cost_usd"), result.get("output_tokens"), result.get("turns")
    about = "about " if result.get("cost_is_estimated") else ""
    money = "less than $0.01" if cost is not None and 0 < cost < CENT else f"${cost or 0:.2f}"
    parts = ["cost unknown" if cost is None else f"{about}{money}"]
    if written is not None:
        parts.append(f"{written:,} tokens written")
    if turns:
        parts.append(f"{turns} turn{'s' if turns > 1 else ''}")
    return ", ".join(parts)
