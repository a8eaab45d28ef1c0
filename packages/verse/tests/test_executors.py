"""Verse as tasks: what comes of an attempt, and what its output shows."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hive_contracts.errors import MalformedPayloadError
from hive_contracts.execution import EXECUTOR_GROUP, Executor, Tools
from hive_contracts.outcomes import Failed, Succeeded
from hive_contracts.wire import decode_payload, encode_json
from hive_generation.executor import ModelExecutor
from hive_generation.models import Models
from hive_generation.settings import InferenceSettings
from hive_telemetry.metrics import Metrics
from hive_testkit.attempts import RecordingAttempt, make_task
from hive_testkit.trial import NoSpawner
from hive_verse.cascade import AsyncMetaHarmonix
from hive_verse.clouds import Clouds
from hive_verse.errors import UnfinishedVerseError
from hive_verse.executors import (
    CascadeExecutor,
    HaikuExecutor,
    ProseExecutor,
    SonnetExecutor,
    VersePayload,
)
from hive_verse.formatting import SonnetFormatter
from hive_verse.prose import ProseGenerator
from hive_verse.settings import VerseSettings
from hive_verse.sonnet import AsyncSonnetGenerator, AsyncSonnetHarmonix

pytestmark = pytest.mark.timeout(300)

KINDS = {"sonnet": SonnetExecutor, "haiku": HaikuExecutor, "prose": ProseExecutor}


@pytest_asyncio.fixture
async def tools(tmp_path: Path, weights_cache: Path) -> AsyncGenerator[Tools]:
    settings = InferenceSettings(cache=weights_cache, processes=0)
    where = VerseSettings(clouds=tmp_path / "clouds")
    async with Models.open(settings, Metrics()) as models, Clouds.open(where, models) as clouds:
        yield Tools(spawner=NoSpawner(), shared=(models, clouds))


def attempt(kind: str, task_id: int = 1, **payload: Any) -> RecordingAttempt:
    return RecordingAttempt(make_task(kind, {"prompt": "the sea"} | payload, task_id=task_id))


async def result(executor: Executor, trying: RecordingAttempt) -> Any:
    outcome = await executor.run(trying)
    assert isinstance(outcome, Succeeded), outcome
    return json.loads(encode_json(outcome.result))


def shown(trying: RecordingAttempt) -> str:
    return b"".join(data for _, data in trying.chunks).decode()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_text_is_the_result_and_the_output(tools: Tools, kind: str):
    async with KINDS[kind].open(tools) as executor:
        trying = attempt(kind, seed=7)
        said = await result(executor, trying)
    assert said["seed"] == 7
    assert 0 <= said["dissonance"] <= 1
    if kind == "sonnet":
        assert said["text"].split()[0] in shown(trying)
    else:
        assert shown(trying) == f"{said['text']}\n"


async def test_all_kinds_share_the_clouds_of_their_worker(tools: Tools, tmp_path: Path):
    async with AsyncExitStack() as stack:
        for kind in (*KINDS.values(), CascadeExecutor):
            executor = await stack.enter_async_context(kind.open(tools))
            await result(executor, attempt(kind.kind, seed=7))
        opened = [
            each.readlink().name
            for each in Path("/proc/self/fd").iterdir()
            if each.is_symlink() and each.readlink().is_relative_to(tmp_path / "clouds")
        ]
    files = [name for name in opened if name.endswith(".db")]
    assert sorted(files) == ["haiku.db", "observer.db", "prose.db", "sonnet.db"]


@pytest.mark.parametrize(
    ("kind", "is_retryable"),
    [(SonnetExecutor, False), (ProseExecutor, True), (CascadeExecutor, True)],
)
async def test_what_depends_on_the_cloud_may_come_to_an_end_another_time(
    tools: Tools,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[ModelExecutor[Any]],
    is_retryable: bool,
):
    async def fail(*_: object, **__: object) -> None:
        raise UnfinishedVerseError("it did not come")

    for speaker, name in (
        (AsyncSonnetGenerator, "generate"),
        (ProseGenerator, "generate"),
        (AsyncMetaHarmonix, "cascade"),
    ):
        monkeypatch.setattr(speaker, name, fail)
    async with kind.open(tools) as executor:
        outcome = await executor.run(attempt("any"))
    assert outcome == Failed("it did not come", is_retryable=is_retryable)


async def test_a_sonnet_is_fourteen_lines_and_is_remembered(tools: Tools, tmp_path: Path):
    async with SonnetExecutor.open(tools) as executor:
        said = await result(executor, attempt("sonnet", task_id=42))
    assert SonnetFormatter().is_clean(said["text"].split("\n"))
    async with AsyncSonnetHarmonix(tmp_path / "clouds" / "sonnet.db") as cloud:
        (told,) = await cloud.recent()
    assert (told.text, told.added_by, told.seed) == (said["text"], "task 42", 42)


async def test_another_attempt_of_a_sonnet_says_the_same(tools: Tools):
    async with SonnetExecutor.open(tools) as executor:
        first = await result(executor, attempt("sonnet", task_id=5))
        assert (await result(executor, attempt("sonnet", task_id=5)))["text"] == first["text"]


async def test_a_cascade_has_all_three(tools: Tools):
    async with CascadeExecutor.open(tools) as executor:
        trying = attempt("cascade", seed=7)
        said = await result(executor, trying)
    assert {"haiku", "sonnet", "prose", "sentence", "resonance"} <= said.keys()
    assert shown(trying) == f"{said['sentence']}\n"


@pytest.mark.parametrize(
    "payload", [{}, {"prompt": 7}, {"prompt": "", "temperature": -1}, {"prompt": "", "seed": -1}]
)
async def test_a_payload_that_cannot_be_is_refused(payload: dict[str, Any]):
    with pytest.raises(MalformedPayloadError):
        decode_payload("sonnet", encode_json(payload), VersePayload)


async def test_a_temperature_that_a_haiku_cannot_have_fails_for_good(tools: Tools):
    async with HaikuExecutor.open(tools) as executor:
        outcome = await executor.run(attempt("haiku", temperature=0))
    assert isinstance(outcome, Failed)
    assert not outcome.is_retryable
    assert "above 0" in outcome.error


def test_the_kinds_are_entry_points():
    from importlib.metadata import entry_points  # noqa: PLC0415

    found = {entry.name: entry.load() for entry in entry_points(group=EXECUTOR_GROUP)}
    assert {**KINDS, "cascade": CascadeExecutor}.items() <= found.items()


def test_executors_import_neither_numpy_nor_sqlite():
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    code = "import sys, hive_verse.executors; print({'numpy', 'aiosqlite'} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
