"""What readers make of lines such as agents print; shortened, and whole in what matters."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_agents.streams.asking import tool_asked_for
from hive_agents.streams.claude import ClaudeReader
from hive_agents.streams.codex import CodexReader
from hive_agents.streams.fields import FieldsReader
from hive_agents.streams.gemini import GeminiReader
from hive_agents.streams.lines import Lines
from hive_agents.streams.plain import PlainReader
from hive_agents.streams.quotas import Quotas
from hive_agents.streams.reading import Reader
from hive_agents.streams.report import Question, Report

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
QUOTAS = Quotas(now=lambda: NOON)


def read(reader: Reader, *events: Any) -> Report:
    for event in events:
        reader.feed(json.dumps(event).encode() + b"\n")
    reader.end()
    return reader.report


def claude(*events: Any) -> Report:
    return read(ClaudeReader(QUOTAS), *events)


def codex(*events: Any) -> Report:
    return read(CodexReader(QUOTAS), *events)


def gemini(*events: Any) -> Report:
    return read(GeminiReader(QUOTAS), *events)


def answer(name: str, *, written: int, cached: int = 0) -> dict[str, Any]:
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 20,
             "cache_read_input_tokens": cached, "output_tokens": written}  # fmt: skip
    message = {"id": name, "usage": usage, "content": [{"type": "text", "text": f"I am {name}"}]}
    return {"type": "assistant", "session_id": "s-1", "message": message}


def result(**said: Any) -> dict[str, Any]:
    return {"type": "result", "subtype": "success", "is_error": False, "session_id": "s-1", **said}


def test_claudes_answers_are_counted_once_however_many_events_repeat_them():
    report = claude(
        {"type": "system", "subtype": "init", "session_id": "s-1"},
        answer("a", written=3, cached=100),
        answer("a", written=8, cached=100),
        answer("b", written=2, cached=200),
    )
    assert (report.session, report.text, report.turns) == ("s-1", "I am b", 2)
    assert (report.input_tokens, report.cached_tokens, report.output_tokens) == (50, 300, 10)
    assert report.tokens == 60
    assert report.cost_usd is None
    assert not report.is_done


def test_claudes_result_has_the_last_word():
    usage = {"input_tokens": 7, "cache_read_input_tokens": 900, "output_tokens": 70}
    report = claude(
        answer("a", written=3),
        result(result="All done.", total_cost_usd=0.4321, num_turns=4, usage=usage),
    )
    assert report.is_done
    assert (report.text, report.cost_usd, report.turns) == ("All done.", 0.4321, 4)
    assert (report.input_tokens, report.cached_tokens, report.output_tokens) == (7, 900, 70)
    assert (report.complaint, report.quota, report.question) == (None, None, None)


@pytest.mark.parametrize(
    ("subtype", "budget"),
    [("error_max_turns", "turns"), ("error_max_budget_usd", "usd"), ("error_other", None)],
)
def test_claude_says_which_limit_of_its_own_it_has_reached(subtype: str, budget: str | None):
    # Some of them come with is_error false and exit code 0.
    report = claude(result(subtype=subtype))
    assert report.complaint is not None
    assert report.complaint.budget == budget


def test_claudes_limit_tells_its_reset():
    info = {"status": "rejected", "rateLimitType": "five_hour", "resetsAt": NOON.timestamp() + 90}
    report = claude({"type": "rate_limit_event", "rate_limit_info": info})
    assert report.quota is not None
    assert report.quota.reason == "its five_hour limit is used up"
    assert report.quota.again_after == timedelta(seconds=90)
    for harmless in ({"status": "allowed"}, {"status": "rejected", "isUsingOverage": True}):
        assert claude({"type": "rate_limit_event", "rate_limit_info": harmless}).quota is None


def test_a_limit_that_claude_got_over_is_none():
    info = {"status": "rejected"}
    report = claude({"type": "rate_limit_event", "rate_limit_info": info}, result(result="ok"))
    assert (report.quota, report.text) == (None, "ok")


def test_claudes_error_may_be_a_limit():
    said = f"Claude AI usage limit reached|{int(NOON.timestamp()) + 600}"
    report = claude(result(is_error=True, result=said))
    assert report.quota is not None
    assert report.quota.again_after == timedelta(minutes=10)
    assert claude(result(is_error=True, result="API Error: overloaded")).quota is None


def test_what_the_model_said_is_no_error():
    failed = {"type": "result", "subtype": "error_during_execution", "is_error": True}
    said = answer("the rate limit is used up", written=1)
    report = claude(said, {**failed, "errors": ["the tool fell over"]})
    assert report.quota is None
    assert report.complaint is not None
    assert report.complaint.error == "the tool fell over"


def test_a_limit_is_over_when_the_agent_goes_on():
    info = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected"}}
    assert claude(info).quota is not None
    assert not claude(info).is_done
    assert claude(info, answer("a", written=1)).quota is None
    error = {"type": "error", "message": "429 Too Many Requests"}
    assert codex(error).quota is not None
    assert codex(error, {"type": "item.started", "item": {}}).quota is None
    assert gemini(error).quota is not None
    assert gemini(error, {"type": "tool_use"}).quota is None


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        (rb"cut \ud83d", "cut �"),
        (rb"cut \ude00\ud83d\ude00 \\ud83d \ud83d\n", "cut �😀 \\ud83d �\n"),
        (b"caf\xe9 \xf0\x9f", "caf� �"),
    ],
)
def test_a_result_is_not_lost_over_half_a_character(printed: bytes, text: str):
    reader = ClaudeReader(QUOTAS)
    reader.feed(b'{"type": "result", "result": "' + printed + b'", "num_turns": 2}\n')
    assert (reader.report.is_done, reader.report.text) == (True, text)
    assert (reader.report.turns, reader.report.unreadable_lines) == (2, 0)


@pytest.mark.parametrize("name", ["", "--yes-to-all", "a\nb", "a\0b", "s" * 5000])
def test_what_no_program_can_be_handed_is_no_session(name: str):
    begin = {"type": "system", "subtype": "init", "session_id": "s-1"}
    assert claude(begin, {**result(), "session_id": name}).session == "s-1"
    assert codex({"type": "thread.started", "thread_id": name}).session is None
    assert gemini({"type": "init", "session_id": name}).session is None
    assert read(FieldsReader({"session": "id"}, QUOTAS), {"id": name}).session is None


def test_an_option_is_no_tool_that_can_be_allowed():
    asked = claude(result(permission_denials=[{"tool_name": "--yes-to-all"}])).question
    assert asked is not None
    assert tool_asked_for(asked.text) is None


def test_what_claude_was_not_allowed_is_a_question():
    tool = {"tool_name": "Bash", "tool_input": {"command": "make deploy"}}
    report = claude(result(result="I could not.", permission_denials=[tool]))
    question = "May it use Bash on make deploy? Yes allows it all that Bash can do."
    assert report.question == Question(question, ("yes", "no"))
    assert tool_asked_for(question) == "Bash"
    assert tool_asked_for("May it use that name?") is None
    options = [{"label": "red"}, {"label": "blue"}]
    asked = {"questions": [{"question": "Which?", "options": options}]}
    denial = {"tool_name": "AskUserQuestion", "tool_input": asked}
    report = claude(result(permission_denials=[tool, denial]))
    assert report.question == Question("Which?", ("red", "blue"))
    blank = {"tool_name": "AskUserQuestion", "tool_input": {"questions": [{"question": " \n"}]}}
    asked_nothing = claude(result(permission_denials=[blank])).question
    assert asked_nothing == Question("It asked a question that cannot be read.")


def test_codex_gives_its_last_message_and_no_price():
    report = codex(
        {"type": "thread.started", "thread_id": "t-1"},
        {"type": "turn.started"},
        {"type": "error", "message": "Reconnecting... 1/5"},
        {"type": "item.completed", "item": {"type": "reasoning", "text": "hm"}},
        {"type": "item.completed", "item": {"type": "command_execution", "command": "ls"}},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "Fixed."}},
        {
            "type": "turn.completed",
            "usage": {"input_tokens": 900, "cached_input_tokens": 800, "output_tokens": 30},
        },
    )
    assert (report.session, report.text, report.turns, report.is_done) == ("t-1", "Fixed.", 2, True)
    assert (report.input_tokens, report.cached_tokens, report.output_tokens) == (100, 800, 30)
    assert (report.cost_usd, report.complaint) == (None, None)


def test_codex_tells_when_to_try_again():
    said = "You've hit your usage limit. Try again in 1 day 2 hours 5 minutes."
    report = codex(
        {"type": "error", "message": said}, {"type": "turn.failed", "error": {"message": said}}
    )
    assert report.is_done
    assert report.complaint is not None
    assert report.quota is not None
    assert report.quota.again_after == timedelta(days=1, hours=2, minutes=5)


def test_gemini_speaks_in_pieces():
    report = gemini(
        {"type": "init", "session_id": "g-1", "model": "m"},
        {"type": "message", "role": "user", "content": "Fix it"},
        {"type": "message", "role": "assistant", "content": "Let me ", "delta": True},
        {"type": "message", "role": "assistant", "content": "look.", "delta": True},
        {"type": "tool_use", "tool_name": "ls", "tool_id": "1", "parameters": {}},
        {"type": "tool_result", "tool_id": "1", "status": "success"},
        {"type": "message", "role": "assistant", "content": "Fixed.", "delta": True},
        {
            "type": "result",
            "status": "success",
            "stats": {"input_tokens": 500, "cached": 400, "output_tokens": 9},
        },
    )
    assert (report.session, report.text, report.turns, report.is_done) == ("g-1", "Fixed.", 2, True)
    assert (report.input_tokens, report.cached_tokens, report.output_tokens) == (100, 400, 9)


def test_gemini_says_why_it_failed():
    error = {"type": "FatalTurnLimitedError", "message": "Reached max session turns"}
    report = gemini({"type": "result", "status": "error", "error": error})
    assert report.complaint is not None
    assert report.complaint.budget == "turns"
    error = {"type": "Error", "message": "You exceeded your current quota. Please retry in 21.5s."}
    report = gemini({"type": "result", "status": "error", "error": error})
    assert report.quota is not None
    assert report.quota.again_after == timedelta(seconds=21.5)


def test_a_profile_says_where_things_stand():
    fields = {
        "session": "run.id", "text": "answer", "cost_usd": "run.cost", "output_tokens": "used.out",
        "question": "ask", "error": "why", "done": "kind=end", "failed": "kind=bad",
        "quota": "kind=limit",
    }  # fmt: skip
    report = read(
        FieldsReader(fields, QUOTAS),
        {"kind": "step", "run": {"id": "r-1"}, "used": {"out": 3}},
        {"kind": "end", "answer": "42", "run": {"cost": 0.5}, "used": {"out": 8}},
    )
    assert (report.session, report.text, report.cost_usd) == ("r-1", "42", 0.5)
    assert (report.output_tokens, report.is_done, report.complaint) == (8, True, None)
    report = read(FieldsReader(fields, QUOTAS), {"kind": "bad", "why": "no disk"})
    assert report.complaint is not None
    assert report.complaint.error == "no disk"
    assert read(FieldsReader(fields, QUOTAS), {"kind": "limit"}).quota is not None
    assert read(FieldsReader(fields, QUOTAS), {"ask": "Now?"}).question == Question("Now?")


def test_plain_text_is_a_result_if_there_is_any():
    reader = PlainReader()
    reader.feed(b"\n  \n")
    reader.end()
    assert not reader.report.is_done


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("429 Too Many Requests; retry-after: 30", timedelta(seconds=30)),
        ('rate_limit {"resets_in_seconds":13872}', timedelta(seconds=13872)),
        (f'usage_limit "resets_at":{int(NOON.timestamp()) + 5}', timedelta(seconds=5)),
        ("quota exceeded; your quota will reset after 2h15m30s.", timedelta(seconds=8130)),
        ("usage limit: your limit will reset at 3pm (Etc/UTC)", timedelta(hours=3)),
        ("session limit: resets 11am (Etc/UTC)", timedelta(hours=23)),
        ("usage limit; try again in a while", None),
        (f"usage limit; retry after {'9' * 400}", None),
        ("usage limit; resets at 3pm (Nowhere/AtAll)", None),
        (f"usage limit|{int(NOON.timestamp()) - 5}", None),
    ],
)
def test_the_wait_is_read_from_what_is_said(said: str, wait: timedelta | None):
    quota = QUOTAS.met_in(said)
    assert quota is not None
    assert quota.again_after == wait


def test_a_day_is_that_of_the_wall():
    until = (NOON.astimezone() + timedelta(days=2)).replace(second=0, microsecond=0)
    said = f"usage limit. Try again at {until:%b %d}th, {until:%Y %I:%M %p}."
    quota = QUOTAS.met_in(said)
    assert quota is not None
    assert quota.again_after == until - NOON


def test_what_tells_of_no_quota_is_none():
    assert QUOTAS.met_in("the model is overloaded") is None
    assert QUOTAS.met_in(None) is None


@given(st.binary(max_size=400), st.lists(st.integers(1, 60), max_size=20))
def test_lines_are_the_same_wherever_the_pieces_end(data: bytes, sizes: list[int]):
    lines, found, place = Lines(longest_bytes=50), list[bytes | None](), 0
    for size in [*sizes, len(data)]:
        found += lines.feed(data[place : place + size])
        place += size
    *whole, rest = data.split(b"\n")
    assert found == [line if len(line) <= 50 else None for line in whole]
    assert lines.rest() == (rest if len(rest) <= 50 else b"")


HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False)
    | st.sampled_from(["rejected", "\0", "usage limit; retry after 99999999999999999999999"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "message", "usage", "content", "item", "stats", "error", "result", "text",
             "session_id", "permission_denials", "resetsAt", "status", "total_cost_usd", "errors",
             "input_tokens", "output_tokens", "is_error", "rate_limit_info", "subtype", "id"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
TYPES = st.sampled_from(
    ["assistant", "result", "rate_limit_event", "system", "thread.started", "item.completed",
     "turn.completed", "turn.failed", "error", "init", "message", "tool_use"]
)  # fmt: skip


@given(TYPES, HOSTILE)
def test_no_event_is_too_odd(kind: str, inner: Any):
    event = {**(inner if isinstance(inner, dict) else {"message": inner}), "type": kind}
    for read_events in (claude, codex, gemini):
        read_events(event, inner)
