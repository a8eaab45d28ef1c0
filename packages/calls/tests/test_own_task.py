"""What a function may ask of its own task, and have follow it."""

from datetime import UTC, datetime, timedelta

import pytest

from hive_calls import fetch_parents, read_parents, submit_on_success
from hive_calls.asking import Ask
from hive_contracts.errors import UsageError
from hive_contracts.execution import Executor
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import Asked, Failed, Succeeded
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, ParentResult, Question
from hive_testkit.attempts import RecordingAttempt


def attempt_at(function: str, *args: int) -> RecordingAttempt:
    path = f"sample_functions:{function}"
    return RecordingAttempt.of("call", {"function": path, "args": args})


def parent(number: int, result: int) -> ParentResult:
    return ParentResult(
        id=TaskId(number),
        state=TaskState.SUCCEEDED,
        result=result,
        is_left_out=False,
        error=None,
    )


@pytest.mark.parametrize("function", ["total", "async_total"])
async def test_a_function_learns_what_its_parents_returned(
    executor: Executor, function: str
) -> None:
    attempt = attempt_at(function)
    attempt.parent_results = [parent(1, 20), parent(2, 22)]
    assert await executor.run(attempt) == Succeeded(42)
    # The child that is used again speaks of its next task.
    assert await executor.run(attempt_at(function)) == Succeeded(0)


@pytest.mark.parametrize("is_raised", [True, False])
@pytest.mark.parametrize(
    ("function", "asked"),
    [
        ("ask_until_told", Asked("May it\\x00 go?", ("yes", "no"))),
        ("ask_in_the_loop_until_told", Asked("Where to?")),
    ],
)
async def test_a_function_asks_a_person_and_learns_what_was_answered(
    executor: Executor, function: str, asked: Asked, *, is_raised: bool
) -> None:
    path = f"sample_functions:{function}"
    payload = {"function": path, "kwargs": {"is_raised": is_raised}}
    attempt = RecordingAttempt.of("call", payload)
    assert await executor.run(attempt) == asked
    now = datetime.now(UTC)
    attempt.questions = [
        Question(number=n, question="Q", asked_at=now, answer=a, answered_at=now, answered_by="ada")
        for n, a in ((1, "no"), (2, "to the moon"))
    ]
    assert await executor.run(attempt) == Succeeded("Q to the moon")


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("", ()),
        ("x" * 10_001, ()),
        ("x", ("",)),
        ("x", ("y" * 201,)),
        ("x", tuple("abcdefghijklmnopqrstu")),
        ("x", ("y", "y")),
        ("x", ("yes", "-")),
        ("x", ("yes\x1b[2J",)),
        ("x", "yes"),
    ],
)
def test_a_question_that_nobody_could_answer_is_no_question(
    question: str, options: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match=r"a question has|options are|an option is"):
        Ask(question, options=options)


async def test_tasks_that_shall_follow_come_with_the_result(executor: Executor) -> None:
    attempt = attempt_at("split", 2)
    assert await executor.run(attempt) == Succeeded(2)
    first, second, last = attempt.then
    assert [task.payload for task in (first, second)] == [{"part": 0}, {"part": 1}]
    assert list(last.after) == [first.name, second.name]

    in_loop = attempt_at("async_split")
    assert await executor.run(in_loop) == Succeeded(None)
    assert in_loop.then == [NewTask(kind="command", timeout=timedelta(minutes=1))]


async def test_who_asks_in_the_wrong_way_is_told_the_right_one(executor: Executor) -> None:
    outcome = await executor.run(attempt_at("ask_in_the_wrong_way"))
    assert isinstance(outcome, Failed)
    assert "await fetch_parents()" in outcome.error


async def test_outside_of_a_task_there_is_nobody_to_ask() -> None:
    with pytest.raises(UsageError, match="no task runs here"):
        read_parents()
    with pytest.raises(UsageError, match="no task runs here"):
        await fetch_parents()
    with pytest.raises(UsageError, match="no task runs here"):
        submit_on_success(NewTask(kind="call"))
