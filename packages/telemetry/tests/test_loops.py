import asyncio
import io
import json
from collections.abc import Iterator

import pytest
import structlog

from hive_contracts.errors import StoreUnavailableError
from hive_telemetry.logs import LogFormat, configure
from hive_telemetry.loops import keep_ticking, retry_seconds, run_loops
from hive_telemetry.metrics import Metrics


class Flaky:
    """A tick that does what its script says, then waits to be cancelled."""

    def __init__(self, *script: Exception | float | None) -> None:
        self.script = list(script)
        self.is_through = asyncio.Event()

    async def __call__(self) -> float | None:
        if not self.script:
            self.is_through.set()
            await asyncio.Event().wait()
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


class Scripted:
    def __init__(self, name: str, tick: Flaky) -> None:
        self.name = name
        self.tick = tick

    async def run(self) -> None:
        await keep_ticking(self.tick, name=self.name, metrics=Metrics())


class Returning:
    name = "short-lived"

    async def run(self) -> None:
        return


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure(role="test", format=LogFormat.JSON, stream=stream)
    yield stream
    structlog.reset_defaults()


async def ticked_through(tick: Flaky, metrics: Metrics) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        loop = group.create_task(keep_ticking(tick, name="claim", metrics=metrics))
        await tick.is_through.wait()
        loop.cancel()


async def test_a_loop_outlives_an_outage_and_tells_of_it_once(log_lines: io.StringIO) -> None:
    away = StoreUnavailableError("Postgres refused the connection")
    metrics = Metrics()
    await ticked_through(Flaky(None, away, away, 0, None), metrics)
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["warning", "info"]
    assert lines[0]["loop"] == "claim"
    assert lines[0]["error"] == "Postgres refused the connection"
    assert lines[1]["failed_rounds"] == 2
    assert metrics.value("hive_loop_retries_total", loop="claim") == 2


async def test_a_second_outage_is_told_again(log_lines: io.StringIO) -> None:
    away = StoreUnavailableError("away")
    await ticked_through(Flaky(away, None, away, None), Metrics())
    assert log_lines.getvalue().count('"level": "warning"') == 2


async def test_a_loop_that_never_failed_shows_zero_retries() -> None:
    metrics = Metrics()
    await ticked_through(Flaky(None), metrics)
    assert metrics.value("hive_loop_retries_total", loop="claim") == 0


async def test_a_mistake_ends_the_loop() -> None:
    with pytest.raises(ZeroDivisionError):
        await keep_ticking(Flaky(ZeroDivisionError()), name="claim", metrics=Metrics())


async def test_when_one_loop_falls_all_fall() -> None:
    waiting = Scripted("waiting", Flaky())
    falling = Scripted("falling", Flaky(None, KeyError("x")))
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await run_loops([waiting, falling])
    assert caught.group_contains(KeyError)
    assert waiting.tick.is_through.is_set()


async def test_a_loop_that_returns_has_fallen() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await run_loops([Scripted("waiting", Flaky()), Returning()])
    assert caught.group_contains(RuntimeError, match="'short-lived' returned")


def test_the_pause_doubles_to_a_cap_and_is_spread_over_its_upper_half() -> None:
    assert [retry_seconds(n, jitter=0) for n in (1, 2, 3)] == pytest.approx([0.05, 0.1, 0.2])
    assert retry_seconds(1, jitter=0.999) == pytest.approx(0.1, abs=0.001)
    assert retry_seconds(10_000, jitter=0) == 2.5
