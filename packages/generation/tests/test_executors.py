"""What tasks of the kinds `generate` and `embed` come to."""

import asyncio
import base64
import json
import math
from array import array
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from hive_contracts.execution import Attempt, Executor, Tools
from hive_contracts.outcomes import Failed, Outcome, Released, Succeeded
from hive_contracts.sizes import MAX_VALUE_BYTES
from hive_contracts.wire import encode_json
from hive_generation.embed import EmbedExecutor
from hive_generation.executor import ModelExecutor
from hive_generation.generate import GenerateExecutor
from hive_generation.losses import Losses
from hive_generation.models import Models
from hive_inference.errors import FullError, LostError
from hive_inference.messages import Generate
from hive_testkit.attempts import RecordingAttempt, make_task
from hive_testkit.trial import NoSpawner
from hive_testkit.waiting import until

OpenModels = Callable[..., AbstractAsyncContextManager[Models]]
ENDLESS = 10**9


@pytest.fixture
async def generate(tools: Tools) -> AsyncGenerator[Executor]:
    async with GenerateExecutor.open(tools) as executor:
        yield executor


@pytest.fixture
async def embed(tools: Tools) -> AsyncGenerator[Executor]:
    async with EmbedExecutor.open(tools) as executor:
        yield executor


def text_attempt(task_id: int = 1, **payload: Any) -> RecordingAttempt:
    said = {"model": "gpt", "prompt": "ABC", "max_tokens": 30} | payload
    return RecordingAttempt(make_task("generate", said, task_id=task_id))


def vectors_attempt(**payload: Any) -> RecordingAttempt:
    said = {"model": "bert", "texts": ["A", "BC"]} | payload
    return RecordingAttempt(make_task("embed", said))


async def result(executor: Executor, attempt: RecordingAttempt) -> Any:
    outcome = await executor.run(attempt)
    assert isinstance(outcome, Succeeded), outcome
    return json.loads(encode_json(outcome.result))


class TestGenerating:
    async def test_a_text_is_the_output_and_the_result(self, generate: Executor):
        attempt = text_attempt(seed=7)
        found = await result(generate, attempt)
        assert attempt.output().decode() == found["text"]
        assert len(attempt.chunks) == 30, "it does not come token by token"
        assert len(found.pop("text")) == 30
        assert found == {"end": "length", "tokens_in": 3, "tokens_out": 30, "seed": 7}
        assert attempt.usage == {"tokens_out": 30}

    async def test_a_seed_says_the_same_again_whatever_runs_beside_it(self, generate: Executor):
        alone = await result(generate, text_attempt(seed=3))
        async with asyncio.TaskGroup() as group:
            runs = [
                group.create_task(result(generate, text_attempt(seed=seed))) for seed in range(9)
            ]
        assert runs[3].result() == alone
        assert len({run.result()["text"] for run in runs}) == 9

    async def test_a_task_without_a_seed_has_its_id_as_one(self, generate: Executor):
        found = await result(generate, text_attempt(task_id=5))
        assert found["seed"] == 5
        assert found == await result(generate, text_attempt(task_id=5))
        assert found == await result(generate, text_attempt(seed=5))

    async def test_a_text_ends_before_what_is_to_stop_it(self, generate: Executor):
        whole = (await result(generate, text_attempt(seed=1)))["text"]
        found = await result(generate, text_attempt(seed=1, stop=[whole[10:13]]))
        assert found["text"] == whole[: whole.index(whole[10:13])]
        assert found["end"] == "finished"

    async def test_a_text_that_is_called_off_frees_its_place(self, open_models: OpenModels):
        async with open_models(batch=1) as models:
            tools = Tools(spawner=NoSpawner(), shared=(models,))
            async with GenerateExecutor.open(tools) as executor:
                attempt = text_attempt(max_tokens=ENDLESS)
                async with asyncio.TaskGroup() as group:
                    running = group.create_task(executor.run(attempt))
                    await until(lambda: len(attempt.chunks) > 3, within_seconds=60)
                    running.cancel()
                assert running.cancelled()
                assert (await result(executor, text_attempt()))["tokens_out"] == 30

    @pytest.mark.parametrize(
        ("payload", "part"),
        [
            ({"model": "wasp"}, "no model 'wasp'; the models here are: bert, gpt"),
            ({"model": "bert"}, "no model 'bert' is here that can generate text"),
            ({"max_tokens": 0}, "max_tokens is 0; it must be at least 1"),
            ({"temperature": -1}, "temperature is -1.0"),
            ({"seed": -1}, "seed is -1"),
            ({"stop": [""]}, "an empty text in stop"),
            ({"prompt": 3}, "Expected `str`, got `int`"),
            ({"top": 3}, "no field 'top'"),
        ],
    )
    async def test_what_cannot_be_is_refused_for_good(
        self, generate: Executor, payload: dict[str, Any], part: str
    ):
        outcome = await generate.run(text_attempt(**payload))
        assert isinstance(outcome, Failed)
        assert part in outcome.error
        assert not outcome.is_retryable


class TestEmbedding:
    async def test_each_text_has_a_vector_of_length_one(self, embed: Executor):
        found = await result(embed, vectors_attempt(texts=["A", "BC", "A"]))
        assert (found["dimensions"], found["tokens_in"]) == (24, 4)
        first, second, third = found["vectors"]
        assert [len(v) for v in found["vectors"]] == [24, 24, 24]
        assert math.isclose(sum(x * x for x in second), 1, abs_tol=1e-5)
        assert first == pytest.approx(third, abs=1e-6)
        assert first != pytest.approx(second, abs=1e-2)

    async def test_every_vector_is_a_sign_of_life(self, embed: Executor):
        attempt = vectors_attempt(texts=["A"] * 300)
        await result(embed, attempt)
        assert attempt.signs_of_life == 300

    async def test_both_forms_say_the_same_numbers(self, embed: Executor):
        numbers = (await result(embed, vectors_attempt()))["vectors"]
        packed = (await result(embed, vectors_attempt(form="base64")))["vectors"]
        assert [array("f", base64.b64decode(v)) for v in packed] == [array("f", v) for v in numbers]

    async def test_more_vectors_than_a_result_holds_are_refused_with_how_many_it_does(
        self, embed: Executor
    ):
        outcome = await embed.run(vectors_attempt(texts=["A"] * 5000))
        assert isinstance(outcome, Failed)
        assert "5,000 vectors as numbers are 1," in outcome.error
        assert not outcome.is_retryable
        fitting = int(outcome.error.split()[-2].replace(",", ""))
        assert 2000 < fitting < 5000
        whole = await embed.run(vectors_attempt(texts=["A"] * fitting))
        assert isinstance(whole, Succeeded)
        assert 0.98 * MAX_VALUE_BYTES < len(encode_json(whole.result)) <= MAX_VALUE_BYTES

    @pytest.mark.parametrize(
        ("payload", "part"),
        [
            ({"model": "gpt"}, "no model 'gpt' is here that can embed texts"),
            ({"texts": []}, "texts is empty"),
            ({"form": "hex"}, "form"),
        ],
    )
    async def test_what_cannot_be_is_refused_for_good(
        self, embed: Executor, payload: dict[str, Any], part: str
    ):
        outcome = await embed.run(vectors_attempt(**payload))
        assert isinstance(outcome, Failed)
        assert part in outcome.error
        assert not outcome.is_retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class ShoutPayload:
    prompt: str


class ShoutExecutor(ModelExecutor[ShoutPayload]):
    """A kind as another package adds it."""

    kind = "shout"
    payload_type = ShoutPayload
    trouble: Exception | None = None

    async def work(self, payload: ShoutPayload, attempt: Attempt) -> object:
        if self.trouble is not None:
            raise self.trouble
        request = Generate(model="gpt", prompt=payload.prompt, max_tokens=8)
        text, _ = await self.tell(request, attempt)
        return text + "!"


class TestAddingAKind:
    async def shout(
        self,
        tools: Tools,
        *,
        task_id: int = 1,
        given_back: int = 0,
        trouble: Exception | None = None,
    ):
        ShoutExecutor.trouble = trouble
        task = make_task("shout", {"prompt": "A"}, task_id=task_id, given_back=given_back)
        attempt = RecordingAttempt(task)
        async with ShoutExecutor.open(tools) as executor:
            return await executor.run(attempt), attempt.output().decode()

    async def test_a_package_adds_a_kind_with_a_few_lines(self, tools: Tools):
        outcome, output = await self.shout(tools)
        assert outcome == Succeeded(output + "!")
        assert len(output) == 8

    async def lose(self, tools: Tools, *, task_id: int = 1, given_back: int = 0) -> Outcome:
        gone = LostError("it is gone")
        outcome, _ = await self.shout(tools, task_id=task_id, given_back=given_back, trouble=gone)
        return outcome

    async def test_dead_processes_give_the_task_back_but_not_for_ever(self, tools: Tools):
        for _ in range(5):
            assert await self.lose(tools) == Released("it is gone")
        for _ in range(2):
            assert await self.lose(tools) == Failed("it is gone, as were those of attempts before")
        assert await self.lose(tools, task_id=2) == Released("it is gone")

    async def test_what_a_task_was_given_back_for_otherwise_does_not_count(self, tools: Tools):
        assert await self.lose(tools, given_back=500) == Released("it is gone")

    async def test_a_task_that_came_through_is_counted_from_the_beginning(self, tools: Tools):
        for _ in range(5):
            await self.lose(tools)
        await self.shout(tools)
        assert await self.lose(tools) == Released("it is gone")

    async def test_only_so_many_tasks_are_counted(self):
        losses = Losses()
        losses.add(0)
        for task_id in range(1, 3000):
            losses.add(task_id)
            assert len(losses) <= 1000
        assert (losses.add(2999), losses.add(0)) == (2, 1)

    async def test_where_too_many_wait_the_task_is_given_back_for_a_while(self, tools: Tools):
        outcome, _ = await self.shout(tools, trouble=FullError(9))
        assert isinstance(outcome, Released)
        assert outcome.again_after is not None
