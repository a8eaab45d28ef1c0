"""What `hive demo --agents` shows: what agents do and do wrong, and what Hive makes of it.

Each agent is the scripted one, which speaks as real ones do and needs no key. Each works on a
branch of a small git repository. What must come of each is known before, and compared.
"""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

from hive.demonstration.progress import Progress
from hive.demonstration.staging import Performed, on_stage
from hive.durations import show_seconds
from hive.endings import FAILED, INTERRUPTED
from hive.printing import show, show_json
from hive.settings import Settings
from hive.tables import table_lines
from hive.tasks.reaching import Reach, open_reach
from hive.words import counted
from hive_contracts.clocks import BootClock
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.tasks import NewTask, TaskRecord

__all__ = ["SCENES", "Scene", "give_agents"]

ANSWER: Final = "Ahoy"
LOOK_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 180.0
SETTINGS: Final = """
[agents]
linger_seconds = 1.0

[agents.profiles.scripted]
env = { SCRIPTED_AGENT_HOME = "{place}/agent" }

[agents.profiles.metered]
like = "scripted"
breaker = "scripted:metered"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One agent: what it does, and what must come of it."""

    title: str
    script: Sequence[str]
    profile: str = "scripted"
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of its payload."""

    task: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of its task."""

    state: TaskState = TaskState.SUCCEEDED
    attempts: Sequence[int] = (1,)
    """How many attempts may have counted."""

    error: str = ""
    """What its error must have in it."""

    result: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What its result must say."""

    events: Sequence[str] = ()
    """What must have happened to it besides."""


def _greeting(file: str, words: str) -> tuple[str, str, str]:
    return f"@write {file} {words}", f"@commit Greet in {file}", f"@say {file} is written"


SCENES: Final = (
    Scene(title="does its work", script=_greeting("german.txt", "Guten Tag")),
    Scene(
        title="the same, as codex",
        profile="scripted-codex",
        script=_greeting("french.txt", "Bonjour"),
        result={"cost_usd": None},
    ),
    Scene(
        title="the same, as gemini",
        profile="scripted-gemini",
        script=_greeting("italian.txt", "Buongiorno"),
    ),
    Scene(
        title="meets its quota, for 3 s",
        profile="metered",
        script=("@quota 3", *_greeting("spanish.txt", "Buenos dias")),
        task={"breaker": "scripted:metered"},
        events=("parked",),
    ),
    Scene(
        title="asks, and is answered",
        script=("@ask Which greeting? | Hello | Ahoy", *_greeting("english.txt", "{answer}")),
        events=("asked",),
    ),
    Scene(
        title="hangs, and is ended",
        script=("@say begun", "@attempt 1 hang", *_greeting("danish.txt", "Goddag")),
        task={"silence_timeout": timedelta(seconds=3), "max_attempts": 3},
        attempts=(2, 3),
        result={"resumed": True},
    ),
    Scene(
        title="crashes, and goes on",
        script=("@say begun", "@crash", *_greeting("dutch.txt", "Goedendag")),
        task={"max_attempts": 2},
        attempts=(2,),
        result={"resumed": True},
    ),
    Scene(
        title="stays after its result",
        script=("@deaf", "@daemon", "@linger", "@say that was all"),
        result={"lingered": True},
    ),
    Scene(
        title="ends without a result",
        script=("@say begun", "@no-result"),
        state=TaskState.FAILED,
        error="it ended without a result",
    ),
    Scene(
        title="takes more than 5 turns",
        profile="scripted-codex",
        script=("@turns 100 0.1",),
        more={"budget": {"turns": 5}},
        state=TaskState.FAILED,
        error="6 of 5 turns are used",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of a scene."""

    scene: Scene
    record: TaskRecord
    happened: Sequence[str]
    diff: str

    @property
    def result(self) -> dict[str, Any]:
        """The result of its task."""
        found = self.record.result
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    def fault(self) -> str | None:
        """Return what is not as it must be; None if nothing."""
        scene, record = self.scene, self.record
        if record.state is not scene.state or scene.error not in (record.error or ""):
            return f"it is {record.state} ({record.error}), and must be {scene.state}"
        if record.attempt not in scene.attempts:
            return f"it took {counted(record.attempt, 'attempt')}"
        for name, value in scene.result.items():
            if self.result.get(name, value) != value or name not in self.result:
                return f"its result says {name} {self.result.get(name)!r}, and must say {value!r}"
        missing = set(scene.events) - {*self.happened}
        return f"it was never {', '.join(sorted(missing))}" if missing else None

    def row(self) -> list[str]:
        """Return it as a row of the table."""
        record = self.record
        took = None
        if record.started_at is not None and record.finished_at is not None:
            took = (record.finished_at - record.created_at).total_seconds()
        files = self.result.get("workspace", {}).get("files_changed")
        came = record.error or (f"{counted(files, 'file')} to review" if files else "succeeded")
        return [
            self.scene.title,
            came,
            str(record.attempt),
            "-" if took is None else show_seconds(took),
        ]


async def give_agents(*, as_json: bool) -> int:
    """Show agents; return 0 if everything holds, 1 if not, 130 if it was interrupted.

    Raises:
        ConfigurationError: servers cannot be run here.
        ServiceUnavailableError: a server did not start.
    """
    performed = await on_stage(_perform, settings=SETTINGS)
    if performed is None:
        return INTERRUPTED
    faults = [*_faults(performed)]
    if as_json:
        show_json(
            {
                "holds": not faults,
                "faults": faults,
                "agents": [_plain(seen) for seen in performed.result],
                "wall_seconds": performed.wall_seconds,
            }
        )
    else:
        show("\n".join(_lines(performed, faults)))
    return FAILED if faults else 0


async def _perform(settings: Settings, progress: Progress) -> list[Seen]:
    repo = settings.services.data_dir / "greetings"
    await asyncio.to_thread(_make_repository, repo)
    async with open_reach(settings) as reach:
        tasks = [_task_of(scene, repo) for scene in SCENES]
        ids = await reach.view.tasks.submit(tasks)
        progress.note(f"{len(ids)} agents, each on a branch of a small repository ...")
        records = await _watch(reach, ids, progress)
        happened = await _what_happened(reach, ids)
        return [
            Seen(
                scene=scene,
                record=record,
                happened=happened[record.id],
                diff=await asyncio.to_thread(_diff, repo, record.id),
            )
            for scene, record in zip(SCENES, records, strict=True)
        ]


def _task_of(scene: Scene, repo: Path) -> NewTask:
    prompt = "\n".join((f"An agent that {scene.title}.", *scene.script))
    payload = {
        "prompt": prompt,
        "profile": scene.profile,
        "workspace": {"kind": "repo", "repo": str(repo)},
        **scene.more,
    }
    return NewTask(kind="agent", payload=payload, **scene.task)


async def _watch(reach: Reach, ids: Sequence[TaskId], progress: Progress) -> list[TaskRecord]:
    clock = BootClock()
    began_at, told = clock.seconds(), set[TaskId]()
    while True:
        records = {record.id: record for record in await reach.view.tasks.read_many([*ids])}
        for record in records.values():
            if record.asked_at is not None and record.id not in told:
                told.add(record.id)
                progress.note(f"task {record.id} asks: {record.error}; answered: {ANSWER}")
                await reach.hive.answer(record.id, ANSWER)
            elif record.parked_at is not None and record.id not in told:
                told.add(record.id)
                progress.note(f"task {record.id} is parked: {record.parked_reason}")
        is_over = all(record.state in TERMINAL_STATES for record in records.values())
        if is_over or clock.seconds() - began_at > LONGEST_SECONDS:
            return [records[task_id] for task_id in ids]
        await asyncio.sleep(LOOK_SECONDS)


async def _what_happened(reach: Reach, ids: Sequence[TaskId]) -> dict[TaskId, list[str]]:
    found: dict[TaskId, list[str]] = {task_id: [] for task_id in ids}
    for task_id in ids:
        events = await reach.view.events.of_task(task_id)
        found[task_id] = [str(event.type) for event in events]
    return found


def _make_repository(repo: Path) -> None:
    repo.mkdir()
    (repo / "README").write_text("Greetings in all languages.\n", encoding="utf-8")
    by = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
    for words in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("add", "--all"),
        (*by, "commit", "--quiet", "--message", "Begin"),
    ):
        _git(repo, *words)


def _diff(repo: Path, task_id: TaskId) -> str:
    branch = f"hive/{task_id}"
    if not _git(repo, "branch", "--list", branch).strip():
        return ""
    return _git(repo, "diff", "--unified=0", f"main...{branch}")


def _git(repo: Path, *words: str) -> str:
    done = subprocess.run(
        ("git", "-C", str(repo), *words),  # noqa: S607 - whichever git there is
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _faults(performed: Performed[list[Seen]]) -> list[str]:
    faults = [
        f"task {seen.record.id}, which {seen.scene.title}: {fault}"
        for seen in performed.result
        if (fault := seen.fault()) is not None
    ]
    if performed.left:
        faults.append(f"{counted(len(performed.left), 'process', 'processes')} left")
    if performed.directories_left:
        faults.append("its directory is left")
    return faults


def _plain(seen: Seen) -> dict[str, Any]:
    record = seen.record
    return {
        "agent": seen.scene.title, "state": record.state, "error": record.error,
        "attempts": record.attempt, "result": record.result, "fault": seen.fault(),
    }  # fmt: skip


def _lines(performed: Performed[list[Seen]], faults: Sequence[str]) -> list[str]:
    heads = ("agent", "what came of it", "attempts", "took")
    table = table_lines(heads, [seen.row() for seen in performed.result], texts=2)
    lines = ["What their branches add:", *_additions(performed.result), "", *table, ""]
    if faults:
        return [*lines, "This does not hold:", *(f"  {fault}" for fault in faults)]
    return [
        *lines,
        f"Everything holds, and nothing is left, after {show_seconds(performed.wall_seconds)}."
        " Next:",
        "  hive up -d                               start a Hive that stays",
        "  hive agent --repo . 'fix the tests'      give a real agent something to do",
        "  hive agent --profile scripted 'hello'    or this one",
    ]


def _additions(all_seen: Sequence[Seen]) -> list[str]:
    """Return what the diffs add, a line for each task: its file, and what is in it."""
    return [
        f"  hive/{seen.record.id:<3} {'  '.join(added)}"
        for seen in all_seen
        if (added := [line for line in seen.diff.splitlines() if line.startswith("+")])
    ]
