"""What a profile may say, and what is made of it."""

from typing import Any

import pytest

from hive_agents.agent import argv_of
from hive_agents.payload import AgentPayload
from hive_agents.profiles import SHIPPED, read_profiles
from hive_agents.prompts import MARK, Answered, Situation, asked_in, prompt_of
from hive_agents.streams.report import Question
from hive_contracts.errors import ConfigurationError

WORDS: dict[str, Any] = dict.fromkeys(
    ("python", "prompt", "prompt_file", "session", "model", "turns", "usd", "tool")
)


def argv(name: str, **words: Any) -> list[str]:
    return [*argv_of(read_profiles({})[name], {**WORDS, **words}, ("--more",))]


def test_the_profiles_that_hive_brings_are_whole():
    profiles = read_profiles({})
    assert profiles.keys() == SHIPPED.keys()
    assert {name for name in profiles if not profiles[name].knows_cost} == {
        "codex", "gemini", "scripted-codex", "scripted-gemini", "scripted-plain",
    }  # fmt: skip


def test_a_command_line_is_what_there_is_to_say():
    assert argv("claude", model="m", turns=3, usd="0.5000") == [
        "claude", "-p", "--output-format", "stream-json", "--verbose",
        "--permission-mode", "acceptEdits", "--model", "m", "--max-turns", "3",
        "--max-budget-usd", "0.5000", "--more",
    ]  # fmt: skip
    assert argv("claude", session="s-1", tool=("Bash", "Edit"))[7:] == [
        "--resume", "s-1", "--allowedTools", "Bash", "--allowedTools", "Edit", "--more",
    ]  # fmt: skip
    assert argv("codex", session="t-1") == [
        "codex", "exec", "--json", "--sandbox", "workspace-write", "--skip-git-repo-check",
        "resume", "t-1", "-", "--more",
    ]  # fmt: skip
    assert argv("gemini", turns=3) == [
        "gemini", "--output-format", "stream-json", "--approval-mode", "auto_edit", "--more",
    ]  # fmt: skip


def test_what_is_put_in_is_not_looked_into():
    profile = read_profiles({"own": {"argv": ["own", "{prompt}"], "prompt": "argument"}})["own"]
    words = {**WORDS, "prompt": "say {session} and {prompt}", "session": "s-1"}
    assert argv_of(profile, words, ()) == ("own", "say {session} and {prompt}")


def test_a_profile_is_like_another_but_for_what_it_says():
    profiles = read_profiles(
        {
            "work": {"like": "claude", "breaker": "anthropic:work"},
            "claude": {"linger_seconds": 3},
            "night": {"like": "work", "env": {"NIGHT": "1"}},
        }
    )
    assert profiles["night"].breaker == "anthropic:work"
    assert profiles["night"].stream == "claude"
    # Who is like claude is like what is said of claude here.
    assert profiles["work"].linger_seconds == 3 == profiles["claude"].linger_seconds


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({}, "it lacks the field 'argv'"),
        ({"argv": []}, "argv names no program"),
        ({"argv": ["a"], "colour": "red"}, "it has no field 'colour'"),
        ({"argv": ["a"], "prompt": "argument"}, "has no {prompt}"),
        ({"argv": ["a"], "prompt": "file"}, "has no {prompt_file}"),
        ({"argv": ["a"], "resume_argv": ["a"]}, "resume_argv has no {session}"),
        ({"argv": ["a"], "stream": "json-lines"}, "json-lines, which needs them"),
        ({"argv": ["a"], "stream": "morse"}, "Invalid enum value 'morse'"),
        ({"argv": ["a"], "stream": "json-lines", "fields": {"x": "y"}}, "fields has 'x'"),
        ({"like": "nobody"}, "is like 'nobody'; it can be like claude"),
        ({"like": "own"}, "is like 'own'"),
        (7, "must be a table"),
        ({"like": "codex", "prices": {"input": -1, "output": 2}}, "prices.input is in dollars"),
        ({"like": "codex", "prices": {"input": 1, "output": 1e300}}, "prices.output is in dollars"),
        ({"like": "claude", "startup_seconds": -3}, "startup_seconds is a number of seconds"),
        ({"like": "claude", "linger_seconds": 1e99}, "linger_seconds is a number of seconds"),
        ({"like": "claude", "env": {"A=B": "x"}}, "no variable can have: 'A=B'"),
    ],
)
def test_a_profile_that_makes_no_sense_is_named(table: Any, why: str):
    with pytest.raises(ConfigurationError) as refused:
        read_profiles({"own": table})
    assert "agents.profiles.own" in str(refused.value)
    assert why in str(refused.value)


def test_profiles_like_one_another_are_refused():
    with pytest.raises(ConfigurationError, match="is like"):
        read_profiles({"a": {"like": "b"}, "b": {"like": "a"}})


@pytest.mark.parametrize(
    "said",
    [
        {"prompt": " "},
        {"prompt": "x\0"},
        {"prompt": "x", "budget": {"euro": 3}},
        {"prompt": "x", "budget": {"usd": 0}},
        {"prompt": "x", "budget": {"tokens": 1e300}},
        {"prompt": "x", "budget": {"seconds": 1e12}},
        {"prompt": "x", "session": "--help"},
        {"prompt": "x", "env": {"a=b": "c"}},
    ],
)
def test_a_payload_that_makes_no_sense_is_refused(said: dict[str, Any]):
    with pytest.raises(ValueError, match=r"."):
        AgentPayload(**said)


def test_a_budget_may_be_of_many_tokens():
    assert AgentPayload(prompt="x", budget={"tokens": 2e9}).limit.tokens == 2e9


def test_an_agent_is_told_what_it_needs_to_know():
    told = prompt_of("Fix it", Situation(may_ask=True))
    assert told.startswith("Fix it\n\n")
    assert MARK in told
    one = [Answered("Red?", "yes")]
    anew = prompt_of("Fix it", Situation(has_asked=True, answered=one))
    assert "You asked: Red?\nThe answer is: yes" in anew
    resumed = Situation(is_resumed=True, knows_task=True, has_asked=True, answered=one)
    assert prompt_of("Fix it", resumed) == "yes"
    again = prompt_of("Fix it", Situation(is_resumed=True, knows_task=True, answered=one))
    assert again.startswith("You were interrupted.")
    assert again.endswith("Fix it")
    sent_back = Situation(knows_task=True, comment="No tests.")
    assert prompt_of("Fix it", sent_back).endswith("comment:\nNo tests.")
    assert "Fix it" not in prompt_of("Fix it", sent_back)
    assert "Fix it" in prompt_of("Fix it", Situation(comment="No tests."))


def test_a_question_is_the_last_line():
    assert asked_in(f"I stopped.\n**{MARK} Now?**") == Question("Now?")
    assert asked_in(f"{MARK} Now?\nNo, I know.") is None
    assert asked_in(f"{MARK}") is None
    assert asked_in(None) is None
