"""The executor `agent`: a coding agent, its stream read as it comes.

What is covered (docs/agents.md says it for people):

- All that the executor `command` does for a program, which this one runs: its whole tree ends with
  the attempt, workspaces, deadlines, secrets hidden in its output.
- Its result is what it says at its end, with session, cost, tokens and turns; an agent that ends
  well without a result has failed. One that stays after its result is ended, and has succeeded.
- A quota that is used up opens the task's breaker and costs no attempt; a question sets it aside.
- Budgets are kept while it runs. A further attempt goes on with the session of the one before.

What is not:

- It has no price list: money is what the program says, or what the profile's prices make of tokens.
- A session is on the machine where it was begun; on another the agent begins anew.
- Between two lines of its stream nobody knows what an agent uses.
"""

import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from hive_agents.payload import AgentPayload
from hive_agents.profiles import Profile, read_profiles
from hive_agents.prompts import Answered, Situation, prompt_of
from hive_agents.running import AgentRun, in_words
from hive_agents.sessions import Notes, Sessions
from hive_agents.settings import AgentSettings
from hive_agents.streams.asking import tool_asked_for
from hive_contracts.errors import LostRaceError, MalformedPayloadError, UnavailableError
from hive_contracts.execution import Attempt, Tools
from hive_contracts.outcomes import Failed, Outcome, OverBudget, Succeeded
from hive_contracts.wire import decode_payload
from hive_process.command import CommandExecutor
from hive_process.payload import CommandPayload

__all__ = ["AgentExecutor"]


class AgentExecutor:
    """Runs attempts of kind `agent`. Satisfies `hive_contracts.execution.Executor`."""

    payload_type: ClassVar[type] = AgentPayload

    def __init__(
        self,
        commands: CommandExecutor,
        settings: AgentSettings,
        *,
        environment: Mapping[str, str],
    ) -> None:
        self._commands = commands
        self._settings = settings
        self._profiles = read_profiles(settings.profiles)
        self._sessions = Sessions(settings.state_dir)
        self._environment = environment

    @classmethod
    @asynccontextmanager
    async def open(cls, tools: Tools) -> AsyncGenerator[Self]:
        """Make an executor over one of commands."""
        settings = tools.settings_of(AgentSettings)
        async with CommandExecutor.open(tools) as commands:
            executor = cls(commands, settings, environment=os.environ)
            executor._sessions.sweep(now_seconds=datetime.now(UTC).timestamp())
            yield executor

    async def run(self, attempt: Attempt) -> Outcome:
        """Run `attempt` to its end. Raises as the executor `command` does."""
        task = attempt.task
        try:
            payload = decode_payload(task.kind, task.payload, AgentPayload)
        except MalformedPayloadError as error:
            return Failed(str(error), is_retryable=False)
        profile = self._profiles.get(payload.profile)
        if profile is None:
            return _unknown(payload.profile, sorted(self._profiles))
        if payload.limit.usd is not None and not profile.knows_cost:
            return _priceless(payload)
        notes = self._sessions.read(task)
        if (name := notes.spent.exhausts(payload.limit)) is not None:
            return OverBudget(in_words(name, notes.spent, payload.limit))
        if payload.limit.usd is not None and notes.is_price_unknown:
            return OverBudget("what an earlier attempt of it has cost is unknown")
        outcome = await self._go(attempt, payload, profile, notes)
        if isinstance(outcome, Succeeded):
            self._sessions.forget(task)
        return outcome

    async def _go(
        self, attempt: Attempt, payload: AgentPayload, profile: Profile, notes: Notes
    ) -> Outcome:
        session = None
        if profile.resume_argv:
            session = None if notes.session_is_gone else payload.session
            session = (notes.session if payload.resumes else None) or session
        answered = [Answered(q.question, q.answer or "") for q in await attempt.answers()]
        situation = Situation(
            is_resumed=session is not None and notes.session is not None,
            knows_task=session is not None,
            has_asked=notes.has_asked,
            may_ask=payload.may_ask,
            comment=None if payload.workspace is None else payload.workspace.comment,
            answered=answered,
        )
        prompt = prompt_of(payload.prompt, situation)
        asked = (tool_asked_for(each.question) for each in answered if each.is_yes)
        allowed = tuple(dict.fromkeys(tool for tool in asked if tool is not None))
        with _in_a_file(prompt, is_wanted=profile.prompt == "file") as prompt_file:
            words = {
                "python": sys.executable, "prompt": prompt, "prompt_file": prompt_file,
                "session": session, "model": payload.model, "tool": allowed or None,
                **_left_of_budget(payload, notes),
            }  # fmt: skip
            command = self._command(payload, profile, argv_of(profile, words, payload.arguments))
            if profile.prompt == "stdin":
                command = replace(command, stdin=prompt)
            run = AgentRun(
                payload, profile, notes,
                write=lambda now: self._sessions.write(attempt.task, now),
                is_resumed=session is not None,
            )  # fmt: skip
            try:
                async with run.told_to(attempt):
                    return await self._commands.run_command(attempt, command, run)
            finally:
                # The last word on it; whatever is used up by now, it has come to its end.
                with suppress(LostRaceError, UnavailableError):
                    await attempt.spend(run.spending)

    def _command(
        self, payload: AgentPayload, profile: Profile, argv: tuple[str, ...]
    ) -> CommandPayload:
        allowed = {
            name: self._environment[name]
            for name in profile.env_allowed
            if name in self._environment
        }
        workspace = payload.workspace
        if workspace is not None and payload.resumes and profile.resume_argv:
            # A session remembers what it has done to its files: they must be there.
            workspace = replace(workspace, in_place=True)
        settings = self._settings
        return payload.as_command(
            argv=argv,
            env={**allowed, **profile.env, **payload.env},
            workspace=workspace,
            startup_seconds=_first(
                payload.startup_seconds, profile.startup_seconds, settings.startup_seconds
            ),
            linger_seconds=_first(
                payload.linger_seconds, profile.linger_seconds, settings.linger_seconds
            ),
        )


def argv_of(
    profile: Profile, words: Mapping[str, Any], arguments: Sequence[str]
) -> tuple[str, ...]:
    """Return the command line of an attempt.

    Args:
        profile: whose.
        words: what stands for the names in braces; None for what there is not.
        arguments: what the task adds.
    """
    argv = profile.argv if words["session"] is None else profile.resume_argv or profile.argv
    added: list[str] = []
    for name, further in (
        ("model", profile.model_argv),
        ("turns", profile.turns_argv),
        ("usd", profile.usd_argv),
        ("tool", profile.allow_argv),
    ):
        if name == "tool":
            each_time = [{**words, "tool": tool} for tool in words["tool"] or ()]
            added += [_filled(word, one) for one in each_time for word in further]
        elif words[name] is not None:
            added += [_filled(word, words) for word in further]
    return (*(_filled(word, words) for word in argv), *added, *arguments)


def _filled(word: str, words: Mapping[str, Any]) -> str:
    for name, value in words.items():
        place = f"{{{name}}}"
        if value is not None and place in word:
            if word == place == "{prompt}" and str(value).startswith("-"):
                # It would be taken for an option.
                return f"\n{value}"
            # What is put in is not looked into: a prompt may have braces.
            return str(value).join(word.split(place))
    return word


def _left_of_budget(payload: AgentPayload, notes: Notes) -> dict[str, Any]:
    """Return what the program may still use, for its own options; None for no limit."""
    budget, spent = payload.limit, notes.spent
    usd = None if budget.usd is None else f"{max(0.0001, budget.usd - (spent.usd or 0)):.4f}"
    turns = None if budget.turns is None else max(1, int(budget.turns) - spent.turns)
    return {"usd": usd, "turns": turns}


@contextmanager
def _in_a_file(prompt: str, *, is_wanted: bool) -> Generator[Path | None]:
    if not is_wanted:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", prefix="hive-prompt-", encoding="utf-8") as file:
        file.write(prompt)
        file.flush()
        yield Path(file.name)


def _first(*said: float | None) -> float | None:
    return next((seconds for seconds in said if seconds is not None), None)


def _unknown(name: str, known: Sequence[str]) -> Failed:
    return Failed(
        f"its worker has no agent profile {name!r}; it has {', '.join(known)}. Write"
        f" [agents.profiles.{name}] into its hive.toml, or say by a label which worker has it",
        is_retryable=False,
    )


def _priceless(payload: AgentPayload) -> Failed:
    return Failed(
        f"its budget of ${payload.limit.usd:g} cannot be kept: {payload.profile} does not say what"
        " it costs. Give its profile `prices`, or a budget of tokens, turns or seconds",
        is_retryable=False,
    )
