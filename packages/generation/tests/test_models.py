"""Models of a worker: loaded once, shared, counted, let go, and replaced when they die."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path

import pytest

from hive_contracts.errors import ConfigurationError
from hive_generation.models import Models
from hive_generation.settings import InferenceSettings
from hive_inference.errors import LostError, UnknownModelError, WeightsError
from hive_inference.messages import Embed, Ended, Generate, Sampling
from hive_telemetry.metrics import Metrics
from hive_testkit.waiting import until

OpenModels = Callable[..., AbstractAsyncContextManager[Models]]
ENDLESS = 10**9
PATIENCE_SECONDS = 60


def ask(seed: int = 0, *, model: str = "gpt", max_tokens: int = 30) -> Generate:
    return Generate(model=model, prompt="ABC", max_tokens=max_tokens, sampling=Sampling(seed=seed))


async def told(models: Models, request: Generate) -> tuple[str, Ended]:
    text = ""
    async with aclosing(models.generate(request)) as news:
        async for item in news:
            if isinstance(item, Ended):
                return text, item
            text += item.text
    raise AssertionError("a text has an end")


def children() -> set[int]:
    own = os.getpid()
    return {int(c) for c in Path(f"/proc/{own}/task/{own}/children").read_text().split()}


async def test_a_model_is_loaded_once_for_all_who_ask_and_not_before(open_models: OpenModels):
    before = children()
    async with open_models() as models:
        assert children() == before
        assert models.states() == {}
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(told(models, ask(seed))) for seed in range(20)]
        assert len(children() - before) == 1
        assert len({task.result()[0] for task in tasks}) == 20
        [(name, state)] = models.states().items()
        assert (name, state.running, state.waiting, state.room) == ("gpt", 0, 0, 32)
        assert state.load_seconds > 0
    assert children() == before


async def test_what_is_done_is_counted_by_model(open_models: OpenModels, metrics: Metrics):
    async with open_models(batch=1) as models:
        await told(models, ask())
        await models.embed(Embed(model="bert", texts=("A", "BC")))
        async with aclosing(models.generate(ask(max_tokens=ENDLESS))) as running:
            await anext(running)
            async with asyncio.TaskGroup() as group:
                group.create_task(told(models, ask()))
                await until(
                    lambda: models.states()["gpt"].waiting == 1, within_seconds=PATIENCE_SECONDS
                )
                value = metrics.value
                assert value("hive_model_requests", model="gpt", state="running") == 1
                assert value("hive_model_requests", model="gpt", state="waiting") == 1
                assert value("hive_model_batch_room", model="gpt") == 1
                await running.aclose()
        tokens = {
            d: value("hive_model_tokens_total", model="gpt", direction=d) for d in ("in", "out")
        }
        assert tokens["in"] == 3 + 3
        assert (tokens["out"] or 0) >= 30 + 1 + 30
        assert value("hive_model_tokens_total", model="bert", direction="in") == 3
        assert value("hive_model_wait_seconds_count", model="gpt") == 2
        assert (value("hive_model_load_seconds", model="bert") or 0) > 0
    assert value("hive_model_load_seconds", model="bert") is None


async def test_a_model_that_nobody_asks_for_is_let_go_and_comes_back(open_models: OpenModels):
    before = children()
    async with open_models(idle_seconds=0.05) as models:
        async with aclosing(models.generate(ask(max_tokens=ENDLESS))) as running:
            for _ in range(200):
                await anext(running)
            assert len(children() - before) == 1
        first, _ = await told(models, ask())
        await until(lambda: children() == before, within_seconds=PATIENCE_SECONDS)
        assert models.states() == {}
        assert (await told(models, ask()))[0] == first


async def test_a_dead_process_costs_its_running_requests_alone(
    open_models: OpenModels, metrics: Metrics
):
    before = children()
    async with open_models(batch=1) as models:
        expected, _ = await told(models, ask())
        async with asyncio.TaskGroup() as group:
            async with aclosing(models.generate(ask(max_tokens=ENDLESS))) as running:
                await anext(running)
                waiting = group.create_task(told(models, ask()))
                await until(
                    lambda: models.states()["gpt"].waiting == 1, within_seconds=PATIENCE_SECONDS
                )
                (child,) = children() - before
                os.kill(child, signal.SIGKILL)
                with pytest.raises(LostError, match="gone"):
                    async for _ in running:
                        pass
            text, _ = await waiting
        assert text == expected
        assert metrics.value("hive_model_requests_lost_total", model="gpt") == 1


async def test_who_gives_up_waiting_for_a_model_does_not_take_it_from_others(
    open_models: OpenModels,
):
    async with open_models() as models, asyncio.TaskGroup() as group:
        impatient = group.create_task(told(models, ask()))
        patient = group.create_task(told(models, ask()))
        await asyncio.sleep(0)
        impatient.cancel()
        text, _ = await patient
        assert impatient.cancelled()
        assert text


async def test_without_processes_a_thread_of_the_worker_does_it(open_models: OpenModels):
    before = children()
    async with open_models(processes=0) as models:
        text, ended = await told(models, ask())
        assert (len(text), ended.tokens_out) == (30, 30)
        assert children() == before
        assert models.states()["gpt"].room == 32


async def test_an_unknown_model_is_named_with_those_there_are(open_models: OpenModels):
    async with open_models() as models:
        with pytest.raises(UnknownModelError, match="no model 'wasp'; the models here are: bert"):
            await told(models, ask(model="wasp"))


async def test_a_model_that_cannot_be_loaded_says_why_each_time(
    open_models: OpenModels, tmp_path: Path
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    async with open_models(path=(tmp_path,)) as models:
        for _ in range(2):
            with pytest.raises(WeightsError, match="model 'empty'"):
                await told(models, ask(model="empty"))
        assert models.states() == {}


async def test_what_fails_inside_comes_out_as_it_is(open_models: OpenModels):
    async def serve() -> None:
        async with open_models() as models:
            await told(models, ask())
            raise ConfigurationError("mine")

    with pytest.raises(ConfigurationError, match="mine"):
        await serve()


UNUSED = """
import asyncio, sys
from hive_generation.models import Models
from hive_generation.settings import InferenceSettings
from hive_telemetry.metrics import Metrics

async def main():
    async with Models.open(InferenceSettings(), Metrics()):
        print(sorted(m for m in sys.modules if m.split(".")[0] in ("numpy", "hive_inference")))

asyncio.run(main())
"""


def test_models_that_nobody_uses_import_nothing_of_the_engine():
    run = [sys.executable, "-c", UNUSED]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_client_that_checks_a_payload_imports_no_numpy():
    program = (
        "import sys, hive_generation.generate, hive_generation.embed;"
        "print([m for m in ('numpy', 'prometheus_client') if m in sys.modules])"
    )
    run = [sys.executable, "-c", program]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"processes": -1}, "inference.processes is -1"),
        ({"batch": 0}, "inference.batch is 0"),
        ({"max_context": 0}, "inference.max_context is 0"),
        ({"nice": 20}, "inference.nice is 20"),
        ({"idle_seconds": 0}, "inference.idle_seconds is 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, int], said: str):
    with pytest.raises(ConfigurationError, match=said):
        InferenceSettings(**wrong)  # pyright: ignore[reportArgumentType]


def test_there_is_a_process_for_each_processor_but_no_more_than_four():
    assert 1 <= InferenceSettings().children <= 4
    assert InferenceSettings(processes=7).children == 7
    assert InferenceSettings().cache_dir.name == "inference"
