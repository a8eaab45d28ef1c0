"""The eight claims, each held against what agents witnessed and what Hive says."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hive_chaos.history import Asked, History, Row, Run, read_witnesses
from hive_chaos.members import HIVE, Member
from hive_chaos.promises import PROMISES, violations
from hive_contracts.events import Event, EventType
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, TaskRecord
from hive_fleet.load import SORTS, Sort
from hive_fleet.run import SLOTS, Fleet, Storm

__all__ = ["Claim", "History", "counts_of", "held_against", "starts_after_signal"]

WORKERS: Final = ("worker", "far")
SHOWS_MUCH: Final = 100
"""From so many agents on, a storm is large enough to break the claim about it."""


LONGEST_FIRST_BYTE_SECONDS: Final = 2.0
EXAMPLES: Final = 3
HANGS: Final = ("never starts", "hangs mid-run", "lingers", "deaf, with a daemon")
ENDS: Final = frozenset({"succeeded", "failed", "cancelled"})
WITHIN: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim, and what was found."""

    number: int
    says: str
    found: str
    is_kept: bool


async def held_against(fleet: Fleet, *, samples: int) -> tuple[list[Claim], dict[str, int]]:
    """Return the claims, and the counts that must be 0.

    Args:
        fleet: one whose agents have ended.
        samples: how often the way of a first byte to a screen is measured.
    """
    records = await fleet.records()
    runs = read_witnesses(fleet.witness)
    events = {record.id: await fleet.reach.view.events.of_task(record.id) for record in records}
    history = _history(fleet, records, runs, events)
    left = await _left(fleet)
    counts = counts_of(history)
    # Losses do not tell: where a bundle of several is lost none of them is charged.
    lost = [r for r in records if any(event.type is EventType.LOST for event in events[r.id])]
    for name, sentences in violations(history).items():
        for sentence in sentences[:EXAMPLES]:
            print(f"{name}: {sentence}")
    claims = [
        _ends(fleet, records, lost, counts),
        _quota(fleet, records, runs),
        _hangs(fleet, records, left),
        await _logs(fleet, [r for r in lost if r.losses], samples),
        _money(fleet, records),
        await _review(fleet),
        _pretence(fleet),
        await _export(fleet),
    ]
    return claims, {**counts, "left": len(left)}


def counts_of(history: History) -> dict[str, int]:
    """Return how often the history contradicts what Hive promises, as chaos counts it."""
    found = violations(history)
    names = {"L": "lost", "T": "twice", "K": "overlaps"}
    counts = dict.fromkeys(names.values(), 0)
    for promise in PROMISES:
        if promise.letter in names:
            counts[names[promise.letter]] += len(found[promise.name])
    return counts


def _history(
    fleet: Fleet,
    records: Sequence[TaskRecord],
    runs: Sequence[Run],
    events: Mapping[TaskId, Sequence[Event]],
) -> History:
    return History(
        asked={
            int(task_id): Asked(
                number=int(task_id), may_end_as=frozenset({sort.state}), failures=sort.failures
            )
            for task_id, sort in fleet.sorts.items()
        },
        runs=runs,
        rows=[
            Row(
                task_id=record.id,
                number=int(record.id),
                state=str(record.state),
                ends=tuple(str(e.type) for e in events[record.id] if str(e.type) in ENDS),
                failures=record.failures,
            )
            for record in records
        ],
    )


async def _left(fleet: Fleet) -> list[int]:
    for _ in range(100):
        if not fleet.left():
            break
        await asyncio.sleep(0.1)
    return fleet.left()


def _ends(
    fleet: Fleet,
    records: Sequence[TaskRecord],
    lost: Sequence[TaskRecord],
    counts: dict[str, int],
) -> Claim:
    bad = [r for r in records if not _is_right(fleet.sorts[r.id], r)]
    return Claim(
        number=1,
        says="Kill what you like: each agent has one end, the right one",
        found=f"{len(records) - len(bad)}/{len(records)} right after {len(fleet.kills)} SIGKILLs,"
        f" {len(lost)} lost an attempt{_examples(bad)}",
        is_kept=not bad and not any(counts.values()) and (not fleet.kills or bool(lost)),
    )


def _is_right(sort: Sort, record: TaskRecord) -> bool:
    # One that went on with its session went on behind what it had done.
    is_as_said = bool(_of(record, "resumed")) or sort.holds(record)
    is_for_its_reason = any(error in (record.error or "") for error in sort.errors)
    return str(record.state) == sort.state and is_for_its_reason and is_as_said


def _examples(bad: Sequence[TaskRecord]) -> str:
    said = [f"task {r.id} is {r.state} ({r.error}): {r.result}" for r in bad[:EXAMPLES]]
    return f"; {'; '.join(said)}" if said else ""


def _quota(fleet: Fleet, records: Sequence[TaskRecord], runs: Sequence[Run]) -> Claim:
    ours = {record.id: record for record in records if fleet.sorts[record.id] is SORTS["quota"]}
    begins = [run.begun_at for run in runs if run.number in ours]
    signals = [at for _task_id, at in _said(fleet.witness, "quota")]
    starts = [starts_after_signal(storm, signals, begins) for storm in fleet.storms]
    charged = sum(record.failures for record in ours.values())
    woken = sum(record.state is TaskState.SUCCEEDED for record in ours.values())
    held = [storm.held for storm in fleet.storms]
    most = len(WORKERS) * SLOTS
    # Where fewer are held back than might begin, nothing is shown.
    is_shown = max(held, default=0) > (most if len(records) >= SHOWS_MUCH else 0)
    return Claim(
        number=2,
        says=f"After the first signal of a quota at most {most} more begin; none is charged",
        found=f"{_and(starts)} began in {len(starts)} storms, {_and(held)} were held back,"
        f" {charged} attempts charged; {woken}/{len(ours)} woke by themselves",
        is_kept=is_shown
        and None not in starts
        and all((count or 0) <= most for count in starts)
        and woken == len(ours)
        and not charged,
    )


def starts_after_signal(
    storm: Storm, signals: Iterable[float], begins: Iterable[float]
) -> int | None:
    """Return how many began in a storm once its first signal had come; None if none came.

    Args:
        storm: when the quota was used up.
        signals: when agents said so, in this storm and others.
        begins: when agents with that quota began.
    """
    first = min((at for at in signals if storm.begun_at <= at < storm.ended_at), default=None)
    return None if first is None else sum(first < at < storm.ended_at for at in begins)


def _and(counts: Sequence[int | None]) -> str:
    return " and ".join(map(str, counts)) or "none"


def _hangs(fleet: Fleet, records: Sequence[TaskRecord], left: Sequence[int]) -> Claim:
    ours = [record for record in records if fleet.sorts[record.id].name in HANGS]
    bad = [record for record in ours if not _is_right(fleet.sorts[record.id], record)]
    return Claim(
        number=3,
        says="What hangs ends on its deadline, for its own reason, and leaves nothing",
        found=f"{len(ours) - len(bad)}/{len(ours)} of {len(HANGS)} sorts,"
        f" {len(left)} processes left",
        is_kept=bool(ours) and not bad and not left,
    )


async def _logs(fleet: Fleet, lost: Sequence[TaskRecord], samples: int) -> Claim:
    # Those who are charged with a loss: another lost attempt shares its number with the next one,
    # under which its output is not found.
    waits = [await _first_byte(fleet) for _ in range(samples)]
    speakers = [record for record in lost if "@silent" not in fleet.sorts[record.id].script]
    mute = [record for record in speakers if not await _is_readable(fleet, record)]
    middle, most = sorted(waits)[len(waits) // 2], max(waits)
    return Claim(
        number=4,
        says="Output is seen live from any machine, and kept though its worker dies",
        found=f"first byte after {1000 * middle:.0f} ms (median of {samples}), {1000 * most:.0f} ms"
        f" at most; {len(lost) - len(mute)}/{len(lost)} readable of those whose worker died"
        f"{_examples(mute)}",
        # How fast it is where nothing else runs is measured by `make bench`.
        is_kept=middle < LONGEST_FIRST_BYTE_SECONDS and not mute,
    )


async def _is_readable(fleet: Fleet, record: TaskRecord) -> bool:
    # One that was killed when it had used up its budget is told so at its next start, and begins
    # nothing: the last attempt alone does not tell.
    tasks = fleet.reach.view.tasks
    attempts = range(1, record.attempt + 1)
    said = [await tasks.read_output(record.id, attempt=attempt) for attempt in attempts]
    return any(piece.stream == Stream.STDOUT for pieces in said for piece in pieces)


async def _first_byte(fleet: Fleet) -> float:
    """Return how long it takes from what an agent says to the screen of another machine."""
    cue = fleet.arena.folder / "cue"
    prompt = f"@say hello\n@wait-for {cue}\n@witness {fleet.witness} said\n@say here I am"
    payload = {"profile": "scripted", "prompt": prompt}
    [task_id] = await fleet.reach.view.tasks.submit([NewTask(kind="agent", payload=payload)])
    far = fleet.arena.members["far"]
    process = await asyncio.create_subprocess_exec(
        *far.prefix, *HIVE, "logs", "-f", str(task_id), env=dict(far.env), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    async for line in process.stdout:
        if b"here I am" in line:
            break
        # It is on the screen, and looked at: now the agent may go on.
        cue.touch()
    seen_at = time.monotonic()
    with suppress(ProcessLookupError):
        process.terminate()
    await process.wait()
    cue.unlink()
    return seen_at - _said_at(fleet.witness, task_id)


def _said_at(witness: Path, task_id: TaskId) -> float:
    return next(at for task, at in _said(witness, "said") if task == task_id)


def _said(witness: Path, word: str) -> list[tuple[TaskId, float]]:
    """Return which tasks said a word, and when, in seconds since the machine's boot."""
    lines = (line.split() for line in witness.read_text(encoding="ascii").splitlines())
    return [(TaskId(int(line[1])), int(line[3]) / 1e9) for line in lines if line[2] == word]


def _money(fleet: Fleet, records: Sequence[TaskRecord]) -> Claim:
    ours = [record for record in records if fleet.sorts[record.id] is SORTS["over budget"]]
    stopped = [record for record in ours if _is_right(SORTS["over budget"], record)]
    unknown = [r for r in records if fleet.sorts[r.id].name in ("codex", "gemini")]
    honest = [record for record in unknown if _of(record, "cost_usd") is None]
    return Claim(
        number=5,
        says="Budgets stop agents while they run; an unknown price is unknown",
        found=f"{len(stopped)}/{len(ours)} stopped of 100 turns after 4 or 5;"
        f" {len(honest)}/{len(unknown)} without a price say so",
        is_kept=bool(ours) and len(stopped) == len(ours) and len(honest) == len(unknown),
    )


async def _review(fleet: Fleet) -> Claim:
    repo = fleet.arena.folder / "repository"
    await asyncio.to_thread(_make_repository, repo)
    prompt = "Write.\n@write notes.txt first\n@say written"
    payload = {
        "profile": "scripted",
        "prompt": prompt,
        "workspace": {"kind": "repo", "repo": str(repo)},
    }
    [first] = await fleet.reach.view.tasks.submit([NewTask(kind="agent", payload=payload)])
    await fleet.reach.hive.wait(first, within=WITHIN)
    [record] = await fleet.records([first])
    at = fleet.arena.members["far" if record.worker_host == "far" else "worker"]
    second = TaskId(int(await _hive(at, "reject", str(first), "-m", "Say more.")))
    await fleet.reach.hive.wait(second, within=WITHIN)
    [after] = await fleet.records([second])
    is_same = _of(after, "session") == _of(record, "session") and bool(_of(after, "resumed"))
    await _hive(at, "accept", str(second), "--squash", "-m", "Notes")
    log = await asyncio.to_thread(_git, repo, "show", "--stat", "--format=%s")
    is_there = "Notes" in log and "notes.txt" in log
    return Claim(
        number=6,
        says="Rejected work goes back, with the comment, to its directory and session",
        found=f"session {'the same' if is_same else 'another'},"
        f" accepted work {'merged' if is_there else 'not there'}",
        is_kept=is_same and is_there,
    )


def _of(record: TaskRecord, name: str) -> object:
    result: Any = record.result or {}
    return result.get(name)


async def _hive(at: Member, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *at.prefix, *HIVE, *words, env=dict(at.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    printed, told = await process.communicate()
    code = process.returncode
    assert code == 0, f"hive {' '.join(words)} ended with {code}: {told.decode()}"
    return printed.decode()


def _make_repository(repo: Path) -> None:
    repo.mkdir()
    (repo / "README").write_text("A repository.\n", encoding="utf-8")
    _git(repo, "init", "--quiet", "--initial-branch", "main")
    for name, value in (("user.name", "fleet"), ("user.email", "fleet@localhost")):
        _git(repo, "config", name, value)
    _git(repo, "add", "--all")
    _git(repo, "commit", "--quiet", "--message", "Begin")


def _git(repo: Path, *words: str) -> str:
    return subprocess.run(
        ("git", "-C", str(repo), *words), check=True, capture_output=True, text=True
    ).stdout


def _pretence(fleet: Fleet) -> Claim:
    running = sum(sample.running for sample in fleet.samples)
    unfounded = sum(sample.unfounded for sample in fleet.samples)
    return Claim(
        number=7,
        says="What is shown as running has a host, a process and a start",
        found=f"{running - unfounded:,}/{running:,} in {len(fleet.samples)} looks",
        is_kept=running > 0 and not unfounded,
    )


async def _export(fleet: Fleet) -> Claim:
    printed = await _hive(fleet.arena.members["worker"], "export", "--group", "fleet")
    lines = [json.loads(line) for line in printed.splitlines()]
    tasks = [line for line in lines if line.get("type") == "task"]
    return Claim(
        number=8,
        says="Everything comes out as lines of JSON",
        found=f"{len(tasks)} tasks in {len(lines):,} lines",
        is_kept=len(tasks) == len(fleet.sorts),
    )
