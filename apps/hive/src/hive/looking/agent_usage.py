"""What an agent has used, in words: money first, and what nobody knows is said to be unknown."""

from typing import Any, Final, cast

from hive_store.task_store import EndedTask

__all__ = ["answer_in", "used_in_words"]

CENT: Final = 0.01


def answer_in(result: object) -> str | None:
    """Return what an agent gave as its result, from the result of its task; None if nothing."""
    text = _fields(result).get("text")
    return text if isinstance(text, str) else None


def used_in_words(ended: EndedTask) -> str | None:
    """Return what an agent has used; None if the task was none, or never began."""
    result = _fields(ended.result)
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


def _fields(result: object) -> dict[str, Any]:
    return cast("dict[str, Any]", result) if isinstance(result, dict) else {}
