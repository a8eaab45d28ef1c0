"""Engines beside the event loop: they answer, they are told apart, and nothing of them is left."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from folders import bert_folder, gpt2_folder, plain_folder
from hypothesis import given
from hypothesis import strategies as st

from hive_inference.engine import Engine
from hive_inference.errors import FullError, LostError, RequestError, WeightsError
from hive_inference.host.host import Host
from hive_inference.host.wire import (
    Cancel,
    Frames,
    Order,
    Submit,
    frame,
    read_news,
    read_order,
    write_news,
    write_order,
)
from hive_inference.messages import (
    Embed,
    Embedded,
    End,
    Ended,
    Generate,
    News,
    Piece,
    Refused,
    Sampling,
)
from hive_inference.settings import EngineSettings, HostSettings
from hive_testkit.waiting import until

SEATS = pytest.mark.parametrize("children", [0, 1], ids=["thread", "child"])
LONG = 1_000_000


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "gpt": plain_folder(root / "gpt"),
        "gpt2": gpt2_folder(root / "gpt2")[0],
        "bert": bert_folder(root / "bert")[0],
        "cache": root / "cache",
    }


@asynccontextmanager
async def opened(
    folders: dict[str, Path], children: int, *, slots: int = 4, queue_capacity: int = 100
) -> AsyncGenerator[Host]:
    settings = HostSettings(
        engine=EngineSettings(cache=folders["cache"], slots=slots, queue_capacity=queue_capacity),
        children=children,
        nice=0,
        restart_seconds=0.05,
    )
    models = {name: folder for name, folder in folders.items() if name != "cache"}
    async with Host.open(models, settings) as host:
        await until(lambda: host.state.seats == max(children, 1), within_seconds=60)
        yield host


def ask(**changed: object) -> Generate:
    return replace(Generate(model="gpt", prompt="ABC", max_tokens=30), **changed)


async def told(host: Host, request: Generate) -> tuple[str, Ended]:
    text = ""
    async with aclosing(host.generate(request)) as news:
        async for item in news:
            if isinstance(item, Ended):
                return text, item
            text += item.text
    raise AssertionError("a text has an end")


async def told_all(host: Host, requests: Sequence[Generate]) -> list[tuple[str, Ended]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(told(host, request)) for request in requests]
    return [task.result() for task in tasks]


@SEATS
async def test_texts_and_vectors_come_from_any_seat(folders: dict[str, Path], children: int):
    async with opened(folders, children) as host:
        seeds = [ask(sampling=Sampling(seed=seed)) for seed in range(10)]
        alone = [await told(host, request) for request in seeds[:2]]
        together = await told_all(host, [*seeds, ask(model="gpt2")])
        assert [text for text, _ in together[:2]] == [text for text, _ in alone]
        assert len({text for text, _ in together}) == 11
        assert {ended.end for _, ended in together} == {End.LENGTH}
        assert {ended.tokens_out for _, ended in together} == {30}
        vectors, ended = await host.embed(Embed(model="bert", texts=("A", "BC", "A")))
        first, second, third = (np.frombuffer(vector, np.float32) for vector in vectors)
        np.testing.assert_allclose(first, third, atol=1e-6)
        assert float(first @ second) < float(first @ third)
        assert ended.tokens_in == 4
        state = host.state
        assert (state.waiting, state.running, state.lost) == (0, 0, 0)


async def test_a_thread_and_children_say_the_same(folders: dict[str, Path]):
    found: list[list[str]] = []
    for children in (0, 2):
        async with opened(folders, children) as host:
            requests = [ask(sampling=Sampling(seed=seed)) for seed in range(12)]
            found.append([text for text, _ in await told_all(host, requests)])
    assert found[0] == found[1]


@SEATS
async def test_a_text_streams_and_is_called_off_by_closing(folders: dict[str, Path], children: int):
    async with opened(folders, children) as host:
        async with aclosing(host.generate(ask(max_tokens=LONG))) as news:
            first = await anext(news)
            assert isinstance(first, Piece)
            assert host.state.running == 1
        await until(lambda: host.state.running == 0)


@SEATS
async def test_what_is_late_ends_waiting_or_running(folders: dict[str, Path], children: int):
    async with opened(folders, children, slots=1) as host:
        requests = [ask(max_tokens=LONG, within_seconds=seconds) for seconds in (3.0, 0.3)]
        (first, ended), (nothing, unbegun) = await told_all(host, requests)
        assert (ended.end, unbegun.end) == (End.LATE, End.LATE)
        assert first
        assert nothing == ""


async def test_a_full_host_refuses_and_the_urgent_go_first(folders: dict[str, Path]):
    async with opened(folders, 1, slots=1, queue_capacity=2) as host:
        order: list[int] = []

        async def tell(priority: int) -> None:
            await told(host, ask(priority=priority))
            order.append(priority)

        async with aclosing(host.generate(ask(max_tokens=LONG))) as running:
            await anext(running)
            async with asyncio.TaskGroup() as group:
                group.create_task(tell(1))
                await until(lambda: host.state.waiting == 1)
                group.create_task(tell(2))
                await until(lambda: host.state.waiting == 2)
                with pytest.raises(FullError, match="2 requests wait already"):
                    await told(host, ask())
                await running.aclose()
        assert order == [2, 1]


@SEATS
async def test_what_no_model_can_do_is_refused(folders: dict[str, Path], children: int):
    async with opened(folders, children) as host:
        with pytest.raises(RequestError, match="no model 'bert' is here that can generate text"):
            await told(host, ask(model="bert"))
        with pytest.raises(RequestError, match="no model 'wasp' is here that can embed texts"):
            await host.embed(Embed(model="wasp", texts=("A",)))


@SEATS
async def test_a_model_that_cannot_be_loaded_says_why(folders: dict[str, Path], children: int):
    broken = folders | {"none": folders["cache"] / "none"}
    with pytest.raises(WeightsError, match="model 'none'"):
        async with opened(broken, children):
            pass


def children_of(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_killed_child_costs_what_it_was_running_and_is_replaced(folders: dict[str, Path]):
    before = set(children_of(os.getpid()))
    async with opened(folders, 1, slots=1) as host:
        (child,) = set(children_of(os.getpid())) - before
        expected, _ = await told(host, ask())
        async with asyncio.TaskGroup() as group:
            async with aclosing(host.generate(ask(max_tokens=LONG))) as running:
                await anext(running)
                waiting = group.create_task(told(host, ask()))
                await until(lambda: host.state.waiting == 1)
                os.kill(child, signal.SIGKILL)
                with pytest.raises(LostError, match="gone"):
                    async for _ in running:
                        pass
            text, _ = await waiting
        assert text == expected
        assert host.state.lost == 1
    assert set(children_of(os.getpid())) == before


async def test_where_no_process_can_be_started_for_a_while_the_host_tries_again(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    async def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError("no room for a process")

    before = set(children_of(os.getpid()))
    async with opened(folders, 1) as host:
        (child,) = set(children_of(os.getpid())) - before
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "create_subprocess_exec", refuse)
            os.kill(child, signal.SIGKILL)
            await until(lambda: host.state.lost >= 2)
        text, _ = await told(host, ask())
        assert len(text) == 30


PARENT = """
import asyncio, sys
from pathlib import Path
from hive_inference.host.host import Host
from hive_inference.messages import Generate
from hive_inference.settings import EngineSettings, HostSettings

async def main():
    engine = EngineSettings(cache=Path(sys.argv[2]), slots=2)
    settings = HostSettings(engine=engine, children=2, nice=1)
    async with Host.open({"gpt": Path(sys.argv[1])}, settings) as host:
        news = host.generate(Generate(model="gpt", prompt="A", max_tokens=10**9))
        await anext(news)
        while host.state.seats < 2:
            await asyncio.sleep(0.01)
        print("numpy" in sys.modules, flush=True)
        async for _ in news:
            pass

asyncio.run(main())
"""


@pytest.mark.timeout(300)
async def test_children_are_nice_have_one_thread_and_end_with_their_parent(
    folders: dict[str, Path],
):
    arguments = [sys.executable, "-c", PARENT, str(folders["gpt"]), str(folders["cache"])]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:  # noqa: ASYNC220
        try:
            assert parent.stdout is not None
            said = await asyncio.to_thread(parent.stdout.readline)
            assert said == "False\n", "the parent has imported numpy"
            own = os.getpriority(os.PRIO_PROCESS, parent.pid)
            children = children_of(parent.pid)
            assert len(children) == 2
            for child in children:
                assert os.getpriority(os.PRIO_PROCESS, child) == min(own + 1, 19)
                assert len(list(Path(f"/proc/{child}/task").iterdir())) == 1
        finally:
            parent.kill()
    await until(lambda: not any(is_alive(child) for child in children), within_seconds=30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_an_engine_that_fails_in_a_thread_costs_what_it_was_running_and_is_replaced(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    def fail(self: Engine) -> list[News]:
        raise ZeroDivisionError

    async with asyncio.timeout(60), opened(folders, 0) as host:
        with monkeypatch.context() as patched:
            patched.setattr(Engine, "step", fail)
            with pytest.raises(LostError, match="gone"):
                await told(host, ask())
        assert host.state.lost == 1
        text, _ = await told(host, ask())
        assert len(text) == 30


HALF = "A\ud800"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prompt": HALF}, "prompt is not text: its character 2 is half of a surrogate pair"),
        ({"model": HALF}, "model is not text"),
        ({"stop": ("A", HALF)}, "a text in stop is not text"),
    ],
)
def test_what_cannot_be_written_is_refused(wrong: dict[str, object], said: str):
    with pytest.raises(RequestError, match=said):
        ask(**wrong)


def test_texts_that_cannot_be_written_are_refused():
    with pytest.raises(RequestError, match="text 2 is not text"):
        Embed(model="bert", texts=("A", HALF))


numbers = st.integers(0, 2**31)
texts = st.text(st.characters(exclude_categories=["Cs"]))
orders = st.one_of(
    st.builds(Cancel, numbers),
    st.builds(
        Submit,
        numbers,
        st.builds(
            Generate,
            model=texts,
            prompt=texts,
            sampling=st.builds(Sampling, seed=st.integers(0, 2**64 - 1)),
            stop=st.lists(texts.filter(bool)).map(tuple),
            within_seconds=st.none() | st.floats(0.1, 1e6),
        )
        | st.builds(Embed, model=texts, texts=st.lists(texts, min_size=1).map(tuple)),
    ),
)
news_items = st.one_of(
    st.builds(Piece, number=numbers, text=texts, tokens=numbers),
    st.builds(Embedded, number=numbers, place=numbers, vector=st.binary()),
    st.builds(Ended, number=numbers, end=st.sampled_from(End)),
    st.builds(Refused, number=numbers, error=texts),
)


@given(st.lists(st.tuples(orders, news_items), max_size=5), st.integers(1, 40))
def test_messages_survive_the_wire_however_it_is_cut(items: list[tuple[Order, News]], size: int):
    sent = b"".join(frame([write_order(o), write_news(n)]) for o, n in items)
    frames = Frames()
    received = [
        (read_order(order), read_news(news))
        for start in range(0, len(sent), size)
        for order, news in frames.push(sent[start : start + size])
    ]
    assert received == items


@pytest.mark.parametrize(
    ("settings", "wrong", "said"),
    [
        (EngineSettings, {"slots": 0}, "slots is 0"),
        (HostSettings, {"children": -1}, "children is -1"),
        (HostSettings, {"nice": 20}, "nice is 20"),
        (HostSettings, {"restart_seconds": -1.0}, "restart_seconds is -1.0"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    settings: type[EngineSettings | HostSettings], wrong: dict[str, float], said: str
):
    whole = (
        {"cache": Path()}
        if settings is EngineSettings
        else {"engine": EngineSettings(cache=Path())}
    )
    with pytest.raises(RequestError, match=said):
        settings(**whole | wrong)  # pyright: ignore[reportArgumentType]
