"""How an agent's program is started, told what to do, read, and told to go on: its profile.

    [agents.profiles.claude-work]
    like = "claude"                        # what is not said here is as there
    breaker = "anthropic:work"
    env = { CLAUDE_CONFIG_DIR = "/home/ci/.claude-work" }

    [agents.profiles.mine]
    argv = ["my-agent", "--batch", "{prompt}"]
    prompt = "argument"
    stream = "plain"

In `argv` and its kin these words stand for something: {prompt}, {prompt_file}, {session}, {model},
{turns}, {usd}, {tool}, and {python} for the worker's own Python.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias

from hive_agents.streams.claude import ClaudeReader
from hive_agents.streams.codex import CodexReader
from hive_agents.streams.fields import FIELDS, FieldsReader
from hive_agents.streams.gemini import GeminiReader
from hive_agents.streams.plain import PlainReader
from hive_agents.streams.quotas import QUOTA_TEXTS, Quotas
from hive_agents.streams.reading import Reader
from hive_agents.streams.report import Report
from hive_contracts.errors import ConfigurationError, MalformedPayloadError, UnstorableValueError
from hive_contracts.wire import decode_payload, encode_json
from hive_process.payload import CommandPayload

__all__ = ["SHIPPED", "Prices", "Profile", "read_profiles"]

Words: TypeAlias = tuple[str, ...]

MILLION: Final = 1_000_000
GONE_TEXTS: Final = (
    "no conversation found",
    "session not found",
    "invalid session",
    "thread not found",
    "no rollout found",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a million tokens cost, in US dollars."""

    input: float
    output: float
    cached: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what nothing costs.

        Raises:
            ValueError: one is negative, or more than a dollar a token.
        """
        for each in fields(self):
            price = getattr(self, each.name)
            if not 0 <= price <= MILLION:
                raise ValueError(
                    f"prices.{each.name} is in dollars a million tokens, from 0 to {MILLION:,},"
                    f" not {price:g}"
                )

    def cost_of(self, report: Report) -> float:
        """Return what the tokens of a report cost."""
        return (
            (report.input_tokens or 0) * self.input
            + (report.output_tokens or 0) * self.output
            + (report.cached_tokens or 0) * self.cached
        ) / MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile of an agent."""

    argv: Words
    """The program and its arguments."""

    resume_argv: Words = ()
    """The same to go on with {session}; none if it cannot."""

    prompt: Literal["stdin", "argument", "file"] = "stdin"
    """How it is told what to do: read, in place of {prompt}, or in the file {prompt_file}."""

    stream: Literal["claude", "codex", "gemini", "json-lines", "plain"] = "plain"
    """How what it prints is to be read."""

    fields: dict[str, str] = field(default_factory=dict[str, str])
    """Of `json-lines`: where in a line what stands."""

    model_argv: Words = ()
    """Further arguments if a {model} is asked for; none if it cannot be."""

    turns_argv: Words = ()
    """Further arguments if there is a budget of {turns}: the program keeps it as well."""

    usd_argv: Words = ()
    """Further arguments if there is a budget of {usd}."""

    allow_argv: Words = ()
    """Further arguments to go on with after it was allowed to use {tool}."""

    breaker: str | None = None
    """What its tasks share that meet the same quota, as in provider:account."""

    prices: Prices | None = None
    """For a program that does not say what it has cost."""

    says_cost: bool = False
    """Whether the program says at its end what it has cost."""

    quota_texts: Words = QUOTA_TEXTS
    """What an error says, in small letters, that tells of a quota."""

    gone_texts: Words = GONE_TEXTS
    """What an error says, in small letters, that tells of a session that is not there any more."""

    env: dict[str, str] = field(default_factory=dict[str, str])
    """Variables that it has."""

    env_allowed: Words = ()
    """Variables of the worker's own that it sees, beside those that all commands see."""

    startup_seconds: float | None = None
    """Most from its start to its first output; 0 for any, None for the settings'."""

    linger_seconds: float | None = None
    """Most from its result to its end; 0 for any, None for the settings'."""

    def __post_init__(self) -> None:
        """Refuse what cannot be used.

        Raises:
            ValueError: the message says what is wrong.
        """
        if not self.argv or not self.argv[0]:
            raise ValueError("argv names no program")
        place = {"argument": "{prompt}", "file": "{prompt_file}"}.get(self.prompt)
        for argv in filter(None, (self.argv, self.resume_argv)):
            if place is not None and not any(place in word for word in argv):
                raise ValueError(f"prompt is {self.prompt}, but {list(argv)} has no {place}")
        if self.resume_argv and not any("{session}" in word for word in self.resume_argv):
            raise ValueError("resume_argv has no {session}")
        if (self.stream == "json-lines") != bool(self.fields):
            raise ValueError("fields are for the stream json-lines, which needs them")
        for name in self.fields:
            if name not in FIELDS:
                raise ValueError(f"fields has {name!r}; there are {', '.join(FIELDS)}")
        # Its environment and its times are those of a command.
        CommandPayload(
            argv=self.argv,
            env=self.env,
            startup_seconds=self.startup_seconds,
            linger_seconds=self.linger_seconds,
        )

    @property
    def knows_cost(self) -> bool:
        """Whether a budget of money can be kept."""
        return self.says_cost or self.prices is not None or "cost_usd" in self.fields

    def reader(self) -> Reader:
        """Return a reader for one attempt."""
        quotas = Quotas(self.quota_texts)
        match self.stream:
            case "claude":
                return ClaudeReader(quotas)
            case "codex":
                return CodexReader(quotas)
            case "gemini":
                return GeminiReader(quotas)
            case "json-lines":
                return FieldsReader(self.fields, quotas)
            case "plain":
                return PlainReader()


# Without these each of them may only read: with them, write below the directory that it works in.
CLAUDE: Final = (
    "claude", "-p", "--output-format", "stream-json", "--verbose",
    "--permission-mode", "acceptEdits",
)  # fmt: skip
CODEX: Final = (
    "codex", "exec", "--json", "--sandbox", "workspace-write", "--skip-git-repo-check",
)  # fmt: skip
GEMINI: Final = ("gemini", "--output-format", "stream-json", "--approval-mode", "auto_edit")
SCRIPTED: Final = ("{python}", "-P", "-m", "hive_agents.scripted")

SHIPPED: Final[Mapping[str, Mapping[str, Any]]] = {
    "claude": {
        "argv": [*CLAUDE],
        "resume_argv": [
            *CLAUDE, "--resume", "{session}",
        ],
        "stream": "claude",
        "model_argv": ["--model", "{model}"],
        "turns_argv": ["--max-turns", "{turns}"],
        "usd_argv": ["--max-budget-usd", "{usd}"],
        "allow_argv": ["--allowedTools", "{tool}"],
        "says_cost": True,
        "breaker": "anthropic:default",
        "env_allowed": ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"],
    },
    "codex": {
        "argv": [*CODEX, "-"],
        "resume_argv": [*CODEX, "resume", "{session}", "-"],
        "stream": "codex",
        "model_argv": ["--model", "{model}"],
        "breaker": "openai:default",
        "env_allowed": ["OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_HOME"],
    },
    "gemini": {
        "argv": [*GEMINI],
        "resume_argv": [*GEMINI, "--resume", "{session}"],
        "stream": "gemini",
        "model_argv": ["--model", "{model}"],
        "breaker": "google:default",
        "env_allowed": [
            "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_CLOUD_PROJECT",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ],
    },
    "scripted": {
        "argv": [*SCRIPTED],
        "resume_argv": [*SCRIPTED, "--resume", "{session}"],
        "stream": "claude",
        "turns_argv": ["--max-turns", "{turns}"],
        "usd_argv": ["--max-budget-usd", "{usd}"],
        "allow_argv": ["--allow", "{tool}"],
        "says_cost": True,
        "breaker": "scripted:default",
        "env_allowed": ["SCRIPTED_AGENT", "SCRIPTED_AGENT_HOME", "SCRIPTED_AGENT_WITNESS"],
    },
    "scripted-codex": {
        "like": "scripted",
        "argv": [*SCRIPTED, "--speak", "codex"],
        "resume_argv": [*SCRIPTED, "--speak", "codex", "--resume", "{session}"],
        "stream": "codex",
        "usd_argv": [],
        "turns_argv": [],
        "says_cost": False,
    },
    "scripted-gemini": {
        "like": "scripted",
        "argv": [*SCRIPTED, "--speak", "gemini"],
        "resume_argv": [*SCRIPTED, "--speak", "gemini", "--resume", "{session}"],
        "stream": "gemini",
        "usd_argv": [],
        "turns_argv": [],
        "says_cost": False,
    },
    "scripted-plain": {
        "like": "scripted",
        "argv": [*SCRIPTED, "--speak", "plain"],
        "resume_argv": [],
        "stream": "plain",
        "usd_argv": [],
        "turns_argv": [],
        "says_cost": False,
    },
}  # fmt: skip
"""The profiles that Hive brings. The `scripted` ones run its own agent, which needs no key."""


def read_profiles(tables: Mapping[str, Any]) -> dict[str, Profile]:
    """Return the profiles that Hive brings and those of `tables`, which come first.

    Raises:
        ConfigurationError: one makes no sense; the message names it and says why.
    """
    given: dict[str, Any] = {**SHIPPED}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigurationError(
                f"agents.profiles.{name} is {table!r}; it must be a table, as in"
                f" [agents.profiles.{name}]"
            )
        # One that is called like one of Hive's changes that.
        given[name] = {"like": name, **table} if name in SHIPPED else table
    return {name: _read(name, given) for name in given}


def _read(name: str, given: Mapping[str, Any]) -> Profile:
    try:
        text = encode_json(_whole(name, given))
        return decode_payload(f"agents.profiles.{name}", text, Profile)
    except MalformedPayloadError as error:
        raise ConfigurationError(f"agents.profiles.{name}: {error.reason}") from None
    except UnstorableValueError as error:
        raise ConfigurationError(f"agents.profiles.{name}: {error}") from None


def _whole(name: str, given: Mapping[str, Any], behind: Words = ()) -> dict[str, Any]:
    """Return what a profile says, and what it says nothing of from the one that it is like."""
    table = dict(given[name])
    like = table.pop("like", None)
    if like is None:
        return table
    others = SHIPPED if like == name else given
    if like not in others or like in behind:
        raise ConfigurationError(
            f"agents.profiles.{name} is like {like!r}; it can be like"
            f" {', '.join(sorted(given.keys() - {name}))}"
        )
    return {**_whole(like, others, (*behind, name)), **table}
