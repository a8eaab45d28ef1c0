"""What comes of an attempt of an agent: real programs that speak as agents do, well and badly."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hive_agents.agent import AgentExecutor
from hive_contracts.outcomes import Asked, Failed, OverBudget, Parked, Succeeded, TimedOut
from hive_contracts.spending import MOST
from hive_contracts.tasks import Question
from hive_testkit.attempts import RecordingAttempt

Make = Callable[..., RecordingAttempt]


def answered(number: int, question: str, answer: str) -> Question:
    now = datetime.now(UTC)
    return Question(number=number, question=question, asked_at=now, answer=answer, answered_at=now)


@pytest.mark.parametrize("profile", ["scripted", "scripted-codex", "scripted-gemini"])
async def test_an_agent_gives_text_session_and_what_it_has_used(
    executor: AgentExecutor, attempt: Make, profile: str
):
    made = attempt("@turns 2", "@tokens 1000 200", "@say all is well", profile=profile)
    outcome = await executor.run(made)
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["text"] == "all is well"
    assert result["session"]
    assert result["output_tokens"] >= 200
    assert 1000 <= result["input_tokens"] < 2000 < result["cached_tokens"]
    assert result["turns"] >= 3
    assert result["exit_code"] == 0
    # Only one of them says what it costs, and nothing is made up for the others.
    assert (result["cost_usd"] is None) == (profile != "scripted")
    assert made.spendings[-1].output_tokens == result["output_tokens"]


async def test_a_plain_agent_has_said_what_it_printed(executor: AgentExecutor, attempt: Make):
    outcome = await executor.run(attempt("@say yes", profile="scripted-plain"))
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["text"] == "yes\nyes"
    assert (result["session"], result["cost_usd"], result["output_tokens"]) == (None, None, None)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (["@no-result"], "it ended without a result"),
        (["@half-line"], "it ended without a result"),
        (["@fail the model is away"], "the model is away"),
        (["@crash"], "exit code 1: RuntimeError: the scripted agent was told to crash"),
        (["@exit 3"], "exit code 3, after its result"),
    ],
)
async def test_what_is_no_success_says_why(
    executor: AgentExecutor, attempt: Make, script: list[str], error: str
):
    outcome = await executor.run(attempt("@say something", *script))
    assert isinstance(outcome, Failed)
    assert outcome.error == error
    assert outcome.is_retryable
    result: Any = outcome.result
    assert result["text"] is not None
    assert result["turns"] == 1


async def test_lines_that_are_none_of_its_stream_are_counted_and_harm_nothing(
    executor: AgentExecutor, attempt: Make
):
    outcome = await executor.run(attempt("@garbage", "@long-line 1000000", "@say still here"))
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert (result["text"], result["unreadable_lines"]) == ("still here", 3)


@pytest.mark.parametrize(
    "profile", ["scripted", "scripted-codex", "scripted-gemini", "scripted-plain"]
)
@pytest.mark.parametrize("seconds", ["", "3600"])
async def test_a_quota_opens_the_breaker_for_as_long_as_it_says(
    executor: AgentExecutor, attempt: Make, profile: str, seconds: str
):
    outcome = await executor.run(attempt(f"@quota {seconds}", profile=profile))
    assert isinstance(outcome, Parked)
    assert outcome.opens_breaker
    if not seconds:
        assert outcome.again_after is None
    else:
        assert outcome.again_after is not None
        assert timedelta(minutes=50) < outcome.again_after <= timedelta(hours=1)


async def test_a_model_may_speak_of_quotas(executor: AgentExecutor, attempt: Make):
    outcome = await executor.run(attempt("@say usage limit reached: 429 Too Many Requests"))
    assert isinstance(outcome, Succeeded)


async def test_a_further_attempt_goes_on_with_the_session(executor: AgentExecutor, attempt: Make):
    script = ("@say one", "@crash", "@say two")
    first = await executor.run(attempt(*script))
    assert isinstance(first, Failed)
    second = await executor.run(attempt(*script, number=2))
    assert isinstance(second, Succeeded)
    before: Any = first.result
    result: Any = second.result
    assert result["session"] == before["session"]
    assert result["resumed"]
    assert result["text"] == "two"


async def test_an_attempt_may_also_begin_anew(executor: AgentExecutor, attempt: Make):
    script = ("@attempt 1 crash", "@say there")
    assert isinstance(await executor.run(attempt(*script, resumes=False)), Failed)
    outcome = await executor.run(attempt(*script, resumes=False, number=2))
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert not result["resumed"]


async def test_a_session_that_is_gone_costs_one_attempt(
    executor: AgentExecutor, attempt: Make, tmp_path: Path
):
    script = ("@attempt 1 crash", "@say there")
    await executor.run(attempt(*script))
    for session in (tmp_path / "agent-home").iterdir():
        session.unlink()
    lost = await executor.run(attempt(*script, number=2))
    assert isinstance(lost, Failed)
    assert "No conversation found" in lost.error
    assert isinstance(await executor.run(attempt(*script, number=3)), Succeeded)


async def test_a_question_is_asked_and_its_answer_goes_to_the_session(
    executor: AgentExecutor, attempt: Make
):
    script = ("@ask Which colour? | red | blue", "@say it is {answer}")
    asked = await executor.run(attempt(*script))
    assert asked == Asked("Which colour?", ("red", "blue"))
    second = attempt(*script, given_back=1)
    second.questions.append(answered(1, "Which colour?", "blue"))
    outcome = await executor.run(second)
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["text"] == "it is blue"


@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_what_was_not_allowed_is_asked_for(
    executor: AgentExecutor, attempt: Make, answer: str
):
    script = ("@permit Bash rm -rf build", "@say gone on")
    asked = await executor.run(attempt(*script))
    question = "May it use Bash on rm -rf build? Yes allows it all that Bash can do."
    assert asked == Asked(question, ("yes", "no"))
    second = attempt(*script, given_back=1)
    second.questions.append(answered(1, question, answer))
    outcome = await executor.run(second)
    assert isinstance(outcome, Succeeded)


async def test_what_was_not_allowed_may_be_its_own_affair(executor: AgentExecutor, attempt: Make):
    outcome = await executor.run(attempt("@permit Bash ls", ignores_denials=True))
    assert isinstance(outcome, Succeeded)


@pytest.mark.parametrize("profile", ["scripted-codex", "scripted-gemini", "scripted-plain"])
async def test_an_agent_without_a_way_to_ask_is_told_one(
    executor: AgentExecutor, attempt: Make, profile: str
):
    script = ("@ask Now or later?", "@say ended")
    asked = await executor.run(attempt(*script, profile=profile, may_ask=True))
    assert asked == Asked("Now or later?")
    assert isinstance(await executor.run(attempt(*script, profile=profile)), Succeeded)


@pytest.mark.parametrize(
    ("budget", "script", "why"),
    [
        ({"turns": 5}, ["@turns 50 0.05"], "its program has stopped at its limit of turns"),
        (
            {"usd": 0.01},
            ["@tokens 5000 10", "@hang"],
            "its program has stopped at its budget of money",
        ),
        ({"tokens": 1000}, ["@tokens 900 200", "@hang"], "1,100 of 1,000 tokens are used"),
        ({"seconds": 1.0}, ["@say begun", "@hang"], "it has run for its 1 s"),
    ],
)
async def test_a_budget_is_kept_while_it_runs(
    executor: AgentExecutor, attempt: Make, budget: dict[str, float], script: list[str], why: str
):
    outcome = await executor.run(attempt(*script, budget=budget))
    assert isinstance(outcome, OverBudget)
    assert outcome.reason == why


async def test_a_budget_is_of_all_attempts_together(executor: AgentExecutor, attempt: Make):
    script = ("@tokens 600 100", "@crash", "@tokens 600 100", "@hang")
    assert isinstance(await executor.run(attempt(*script, budget={"tokens": 1000})), Failed)
    outcome = await executor.run(attempt(*script, number=2, budget={"tokens": 1000}))
    assert isinstance(outcome, OverBudget)
    assert outcome.reason == "1,400 of 1,000 tokens are used"
    # Now nothing is left to begin with.
    again = await executor.run(attempt(*script, number=3, budget={"tokens": 1000}))
    assert again == OverBudget(outcome.reason)


async def test_no_figure_that_an_agent_prints_spoils_its_result(
    executor: AgentExecutor, attempt: Make
):
    made = attempt(f"@tokens {2**52} {2**52}", "@cost 1e15")
    outcome = await executor.run(made)
    assert isinstance(outcome, Succeeded)
    assert (made.spendings[-1].microdollars, made.spendings[-1].output_tokens) == (MOST, MOST)


async def test_a_budget_of_others_stops_it_too(executor: AgentExecutor, attempt: Make):
    made = attempt("@say begun", "@hang")
    made.used_up = "the day's budget of queue default is spent"
    outcome = await executor.run(made)
    assert isinstance(outcome, OverBudget)
    assert outcome.reason == made.used_up


async def test_money_without_a_price_is_refused_plainly(executor: AgentExecutor, attempt: Make):
    outcome = await executor.run(attempt(profile="scripted-codex", budget={"usd": 5}))
    assert isinstance(outcome, Failed)
    assert not outcome.is_retryable
    assert "scripted-codex does not say what it costs" in outcome.error


async def test_what_is_used_up_with_the_result_spoils_no_result(
    executor: AgentExecutor, attempt: Make
):
    made = attempt("@tokens 900 900", profile="scripted-codex", budget={"tokens": 1000})
    outcome = await executor.run(made)
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["over_budget"] == "tokens"


async def test_an_agent_that_stays_after_its_result_is_ended_and_has_succeeded(
    executor: AgentExecutor, attempt: Make
):
    outcome = await executor.run(attempt("@say done", "@linger", "@deaf", "@daemon"))
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert (result["text"], result["lingered"], result["signal"]) == ("done", True, "SIGKILL")


async def test_what_an_agent_leaves_behind_is_ended_and_counted(
    executor: AgentExecutor, attempt: Make
):
    outcome = await executor.run(attempt("@daemon"))
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["left_behind"] == 1


async def test_one_that_is_called_off_after_its_result_has_given_it(
    executor: AgentExecutor, attempt: Make
):
    made = attempt("@say all done", "@linger", linger_seconds=0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(made))
        await made.output_containing(b'"result"', within_seconds=30)
        running.cancel()
    outcome = running.result()
    assert isinstance(outcome, Succeeded)
    result: Any = outcome.result
    assert result["text"] == "all done"
    assert made.spendings[-1].microdollars is not None


async def test_what_was_allowed_stays_allowed(executor: AgentExecutor, attempt: Make):
    script = ("@permit Bash make", "@permit Edit a.txt", "@crash", "@permit Bash again", "@say on")
    asked = [await executor.run(attempt(*script))]
    answers: list[Question] = []
    for given_back in (1, 2):
        last = asked[-1]
        assert isinstance(last, Asked)
        answers.append(answered(given_back, last.question, "yes"))
        made = attempt(*script, given_back=given_back)
        made.questions += answers
        asked.append(await executor.run(made))
    assert isinstance(asked[-1], Failed)
    made = attempt(*script, number=2, given_back=2)
    made.questions += answers
    assert isinstance(await executor.run(made), Succeeded)


async def test_what_an_earlier_attempt_cost_is_not_taken_for_nothing(
    executor: AgentExecutor, attempt: Make
):
    script = ("@tokens 100 100", "@crash", "@say on")
    assert isinstance(await executor.run(attempt(*script, budget={"usd": 5})), Failed)
    outcome = await executor.run(attempt(*script, number=2, budget={"usd": 5}))
    assert outcome == OverBudget("what an earlier attempt of it has cost is unknown")


async def test_an_agent_that_never_speaks_is_ended(executor: AgentExecutor, attempt: Make):
    outcome = await executor.run(attempt("@silent", profile="scripted", startup_seconds=1.0))
    assert isinstance(outcome, TimedOut)
    assert outcome.reason == "it had printed nothing 1 s after its start"


async def test_one_that_is_called_off_has_told_what_it_used(executor: AgentExecutor, attempt: Make):
    script = ("@tokens 700 30", "@attempt 1 hang")
    made = attempt(*script)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(made))
        await made.output_containing(b"a long one", within_seconds=30)
        running.cancel()
    usage: Any = made.usage
    assert (usage["input_tokens"], usage["output_tokens"]) == (700, 30)
    assert usage["session"]
    # The next attempt goes on with it.
    outcome = await executor.run(attempt(*script, number=2))
    assert isinstance(outcome, Succeeded)


async def test_a_profile_that_is_not_there_is_named(executor: AgentExecutor, attempt: Make):
    outcome = await executor.run(attempt(profile="nobody"))
    assert isinstance(outcome, Failed)
    assert "no agent profile 'nobody'; it has claude, codex, gemini" in outcome.error


async def test_a_secret_is_in_no_result(executor: AgentExecutor, attempt: Make):
    secret = "sk-" + "a1b2" * 10
    outcome = await executor.run(attempt(f"@say key={secret}", env={"SOME_API_KEY": secret}))
    assert isinstance(outcome, Succeeded)
    assert secret not in str(outcome.result)
