"""The ways of speaking that the scripted agent knows: the same events in the words of each program.

Written from what the programs' own documentation and users tell of their streams.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

__all__ = ["SPEAKERS", "Claude", "Codex", "Gemini", "Plain", "Speaker", "Usage", "say"]

MARK: Final = "NEEDS ANSWER:"
USD_OF_A_TOKEN: Final = 0.00001


@dataclass(slots=True)
class Usage:
    """What the agent has used up by its own count."""

    read: int = 0
    cached: int = 0
    written: int = 0
    turns: int = 0
    extra_usd: float = 0.0

    @property
    def usd(self) -> float:
        """What it says that it has cost."""
        return round(self.extra_usd + (self.read + self.written) * USD_OF_A_TOKEN, 6)


def say(event: object) -> None:
    """Print an event."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Speaker(Protocol):
    """Prints what happens."""

    def begin(self, session: str) -> None:
        """Say that a session has begun, or goes on."""
        ...

    def answer(self, text: str, turn: int, read: int, cached: int, written: int) -> None:
        """Say something, or use a tool, in one turn."""
        ...

    def quota(self, seconds: int | None, resets_at: int | None) -> int:
        """Say that a quota is used up, until some moment if it is known; return the exit code."""
        ...

    def fail(self, kind: str, message: str, usage: Usage) -> int:
        """Say that it has failed (`turns`, `usd` or `error`); return the exit code."""
        ...

    def ask(self, text: str, options: Sequence[str], usage: Usage) -> None:
        """End with a question."""
        ...

    def ask_for(self, tool: str, detail: str, usage: Usage) -> None:
        """End with something that was not allowed."""
        ...

    def result(self, text: str, usage: Usage) -> None:
        """End well."""
        ...


class Claude:
    """Speaks `stream-json` as claude does."""

    def __init__(self) -> None:
        self._session = ""

    def begin(self, session: str) -> None:
        """Say the session."""
        self._session = session
        self._say({"type": "system", "subtype": "init", "model": "scripted", "tools": ["Bash"]})

    def answer(self, text: str, turn: int, read: int, cached: int, written: int) -> None:
        """Say it, the same usage with each part."""
        usage = {
            "input_tokens": read,
            "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": written,
        }
        message: dict[str, Any] = {"id": f"msg_{turn}", "role": "assistant", "usage": usage}
        thought = {"type": "thinking", "thinking": "..."}
        for part in (thought, {"type": "text", "text": text}):
            self._say({"type": "assistant", "message": {**message, "content": [part]}})

    def quota(self, seconds: int | None, resets_at: int | None) -> int:
        """Say it as an event, then as a result."""
        info: dict[str, Any] = {"status": "rejected", "rateLimitType": "five_hour"}
        if resets_at is not None:
            info["resetsAt"] = resets_at
        self._say({"type": "rate_limit_event", "rate_limit_info": info})
        when = "" if resets_at is None else f"|{resets_at}"
        self._result(Usage(), is_error=True, result=f"Claude AI usage limit reached{when}")
        return 1

    def fail(self, kind: str, message: str, usage: Usage) -> int:
        """Say it by the result's subtype."""
        subtype = {"turns": "error_max_turns", "usd": "error_max_budget_usd"}.get(kind)
        if subtype is None:
            self._result(usage, is_error=True, result=message)
            return 1
        self._result(usage, subtype=subtype, is_error=kind == "usd")
        return 0 if kind == "turns" else 1

    def ask(self, text: str, options: Sequence[str], usage: Usage) -> None:
        """Say it as a tool that nobody answered."""
        choices = [{"label": option, "description": ""} for option in options]
        asked = {"questions": [{"question": text, "header": "?", "options": choices}]}
        denial = {"tool_name": "AskUserQuestion", "tool_use_id": "toolu_1", "tool_input": asked}
        self._result(usage, result="I need an answer.", permission_denials=[denial])

    def ask_for(self, tool: str, detail: str, usage: Usage) -> None:
        """Say it as a tool that was denied."""
        denial = {"tool_name": tool, "tool_use_id": "toolu_1", "tool_input": {"command": detail}}
        self._result(usage, result="I was not allowed to.", permission_denials=[denial])

    def result(self, text: str, usage: Usage) -> None:
        """Say it."""
        self._result(usage, result=text)

    def _result(
        self, usage: Usage, *, subtype: str = "success", is_error: bool = False, **more: Any
    ) -> None:
        self._say(
            {
                "type": "result", "subtype": subtype, "is_error": is_error,
                "num_turns": usage.turns, "total_cost_usd": usage.usd,
                "usage": {
                    "input_tokens": usage.read,
                    "cache_read_input_tokens": usage.cached,
                    "cache_creation_input_tokens": 0,
                    "output_tokens": usage.written,
                },
                "permission_denials": [], **more,
            }
        )  # fmt: skip

    def _say(self, event: dict[str, Any]) -> None:
        say({**event, "session_id": self._session})


class Codex:
    """Speaks JSON lines as codex does."""

    def begin(self, session: str) -> None:
        """Say the thread."""
        say({"type": "thread.started", "thread_id": session})
        say({"type": "turn.started"})

    def answer(self, text: str, turn: int, read: int, cached: int, written: int) -> None:
        """Say it as an item; usage comes at the end."""
        item = {"id": f"item_{turn}", "type": "agent_message", "text": text}
        say({"type": "item.completed", "item": item})

    def quota(self, seconds: int | None, resets_at: int | None) -> int:
        """Say it as an error, then as a failed turn."""
        when = "" if seconds is None else f" or try again in {seconds} seconds"
        self._fail(f"You've hit your usage limit. Purchase more credits{when}.")
        return 1

    def fail(self, kind: str, message: str, usage: Usage) -> int:
        """Say it."""
        self._fail(message)
        return 1

    def ask(self, text: str, options: Sequence[str], usage: Usage) -> None:
        """End with it in the agreed words."""
        self.result(f"I stopped.\n{MARK} {text}", usage)

    def ask_for(self, tool: str, detail: str, usage: Usage) -> None:
        """End with it in the agreed words."""
        self.ask(f"May it use {tool} on {detail}?", (), usage)

    def result(self, text: str, usage: Usage) -> None:
        """Say it as the last item, and what was used."""
        item = {"id": "item_last", "type": "agent_message", "text": text}
        say({"type": "item.completed", "item": item})
        counted = {
            "input_tokens": usage.read + usage.cached,
            "cached_input_tokens": usage.cached,
            "output_tokens": usage.written,
        }
        say({"type": "turn.completed", "usage": counted})

    def _fail(self, message: str) -> None:
        say({"type": "error", "message": message})
        say({"type": "turn.failed", "error": {"message": message}})


class Gemini:
    """Speaks `stream-json` as gemini does."""

    def begin(self, session: str) -> None:
        """Say the session."""
        say({"type": "init", "session_id": session, "model": "scripted"})

    def answer(self, text: str, turn: int, read: int, cached: int, written: int) -> None:
        """Say it in two pieces, and use a tool."""
        half = len(text) // 2
        for piece in (text[:half], text[half:]):
            say({"type": "message", "role": "assistant", "content": piece, "delta": True})
        tool: dict[str, Any] = {
            "tool_name": "run_shell_command",
            "tool_id": f"tool_{turn}",
            "parameters": {},
        }
        say({"type": "tool_use", **tool})
        say({"type": "tool_result", "tool_id": f"tool_{turn}", "status": "success"})

    def quota(self, seconds: int | None, resets_at: int | None) -> int:
        """Say it as a result."""
        when = "" if seconds is None else f" Please retry in {seconds}s."
        self._result(Usage(), error=f"You exceeded your current quota.{when}")
        return 1

    def fail(self, kind: str, message: str, usage: Usage) -> int:
        """Say it as a result."""
        name = "FatalTurnLimitedError" if kind == "turns" else "Error"
        self._result(usage, error=message, name=name)
        return 53 if kind == "turns" else 1

    def ask(self, text: str, options: Sequence[str], usage: Usage) -> None:
        """End with it in the agreed words."""
        self.result(f"I stopped.\n{MARK} {text}", usage)

    def ask_for(self, tool: str, detail: str, usage: Usage) -> None:
        """End with it in the agreed words."""
        self.ask(f"May it use {tool} on {detail}?", (), usage)

    def result(self, text: str, usage: Usage) -> None:
        """Say it."""
        say({"type": "message", "role": "assistant", "content": text, "delta": True})
        self._result(usage)

    def _result(self, usage: Usage, *, error: str | None = None, name: str = "Error") -> None:
        stats = {
            "total_tokens": usage.read + usage.cached + usage.written,
            "input_tokens": usage.read + usage.cached,
            "output_tokens": usage.written,
            "cached": usage.cached,
            "tool_calls": usage.turns,
        }
        failed = {} if error is None else {"error": {"type": name, "message": error}}
        status = "success" if error is None else "error"
        say({"type": "result", "status": status, "stats": stats, **failed})


class Plain:
    """Prints its answer."""

    def begin(self, session: str) -> None:
        """Say nothing."""

    def answer(self, text: str, turn: int, read: int, cached: int, written: int) -> None:
        """Say it."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def quota(self, seconds: int | None, resets_at: int | None) -> int:
        """Say it on standard error."""
        when = "" if seconds is None else f"; retry after {seconds} s"
        sys.stderr.write(f"error: 429 Too Many Requests{when}\n")
        return 1

    def fail(self, kind: str, message: str, usage: Usage) -> int:
        """Say it on standard error."""
        sys.stderr.write(f"error: {message}\n")
        return 1

    def ask(self, text: str, options: Sequence[str], usage: Usage) -> None:
        """End with it in the agreed words."""
        self.result(f"{MARK} {text}", usage)

    def ask_for(self, tool: str, detail: str, usage: Usage) -> None:
        """End with it in the agreed words."""
        self.ask(f"May it use {tool} on {detail}?", (), usage)

    def result(self, text: str, usage: Usage) -> None:
        """Say it."""
        self.answer(text, 0, 0, 0, 0)


SPEAKERS: Final[dict[str, type[Speaker]]] = {
    "claude": Claude,
    "codex": Codex,
    "gemini": Gemini,
    "plain": Plain,
}
