"""What an `agent` task asks for."""

from dataclasses import dataclass, field
from typing import Any, Final

from hive_agents.budgets import Budget, read_budget
from hive_process.payload import CommandPayload
from hive_process.workspaces.spec import WorkspaceSpec

__all__ = ["AgentPayload"]

SHARED: Final = (
    "cwd", "env", "secret_env", "parents", "limits", "output_file", "output_cap", "files_changed",
    "umask", "startup_seconds", "linger_seconds", "workspace",
)  # fmt: skip
"""What it says as a command does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPayload:
    """The payload of a task of kind `agent`."""

    prompt: str
    """What to do."""

    profile: str = "claude"
    """Which agent, by its profile on the worker."""

    model: str | None = None
    """Which model it is to use; None for its own choice."""

    arguments: tuple[str, ...] = ()
    """Further arguments of its program."""

    budget: dict[str, float] = field(default_factory=dict[str, float])
    """What it may use up, all attempts together: `usd`, `tokens`, `turns`, `seconds`."""

    may_ask: bool = False
    """Whether it is told how to ask a question, and waits for the answer."""

    ignores_denials: bool = False
    """Whether what it was not allowed to do is its own affair; else somebody is asked."""

    resumes: bool = True
    """Whether a further attempt goes on with session and directory of the one before."""

    session: str | None = None
    """A session to go on with from the first; None to begin one."""

    cwd: str | None = None
    """From here on as of a command."""

    env: dict[str, str] = field(default_factory=dict[str, str])
    secret_env: tuple[str, ...] = ()
    parents: bool = False
    limits: dict[str, int | str] = field(default_factory=dict[str, int | str])
    output_file: str | None = None
    output_cap: int | str | None = None
    files_changed: bool = False
    umask: str | None = None
    startup_seconds: float | None = None
    linger_seconds: float | None = None
    workspace: WorkspaceSpec | None = None

    def __post_init__(self) -> None:
        """Refuse what no agent can be told."""
        if not self.prompt.strip():
            raise ValueError("prompt says nothing")
        texts = (self.prompt, *self.arguments, self.model or "", self.session or "")
        if any("\0" in text for text in texts):
            raise ValueError("prompt, arguments, model and session can hold no NUL")
        if (self.session or "").startswith("-") or (self.model or "").startswith("-"):
            raise ValueError("session and model cannot begin with a dash")
        self.limit  # noqa: B018 - refuses what is no budget
        self.as_command(argv=("agent",))

    @property
    def limit(self) -> Budget:
        """What it may use up."""
        return read_budget(self.budget)

    def as_command(self, **others: Any) -> CommandPayload:
        """Return it as a command; `others` are the fields that it has no words for, or changes.

        Raises:
            ValueError: no command can be like that.
        """
        said = {name: getattr(self, name) for name in SHARED}
        return CommandPayload(**{**said, **others})
