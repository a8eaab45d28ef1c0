"""Retry policies: one text for Python, the command line and SQL, and the waits that it means."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_contracts.durations import duration_in, text_of
from hive_contracts.retrying import LONGEST_RETRY_DELAY, Retry, retry_in
from hive_contracts.tasks import DEFAULT_MAX_ATTEMPTS, default_max_attempts

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

waits = st.timedeltas(timedelta(0), LONGEST_RETRY_DELAY)
names = st.lists(
    st.sampled_from(["75", "SIGKILL", "timed_out", "OSError", "shop.errors.Busy"]),
    max_size=3,
    unique=True,
)
policies = st.one_of(
    waits.map(Retry.fixed),
    st.lists(waits, min_size=1, max_size=5).map(lambda some: Retry.after(*some)),
    st.tuples(waits, waits, st.booleans()).map(
        lambda three: Retry.exponential(min(three[:2]), longest=max(three[:2]), jitter=three[2])
    ),
)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("exponential(1s, max 1h, jitter)", Retry.exponential(longest=timedelta(hours=1))),
        ("exponential(2s)", Retry.exponential(2 * SECOND, jitter=False)),
        ("exponential(max 5m, jitter)", Retry.exponential(longest=5 * MINUTE)),
        ("fixed(30s)", Retry.fixed(30 * SECOND)),
        ("30", Retry.fixed(30 * SECOND)),
        ("1s,10s, 5m", Retry.after(SECOND, 10 * SECOND, 5 * MINUTE)),
        ("fixed(0s) only on 75, timed_out", Retry.fixed(0 * SECOND).only_on(75, "timed_out")),
        ("only on TimeoutError", Retry().only_on(TimeoutError)),
    ],
)
def test_a_text_says_a_policy(text: str, policy: Retry) -> None:
    assert retry_in(text) == policy
    assert retry_in(str(policy)) == policy


@given(policy=policies, only=names)
def test_a_policy_comes_back_from_its_text(policy: Retry, only: list[str]) -> None:
    wanted = policy.only_on(*only)
    assert retry_in(str(wanted)) == wanted


@given(length=waits)
def test_a_duration_comes_back_from_its_text(length: timedelta) -> None:
    assert duration_in(text_of(length)) == length


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "says nothing"),
        ("soon", "'soon' is no wait; write the policy like"),
        ("fixed(1s, 2s)", "fixed has one wait"),
        ("exponential(1s, 2s)", "'2s' is nothing that exponential knows"),
        ("exponential(1m, max 1s)", "longest wait is shorter than its first"),
        ("fixed(400d)", "from 0 to 365 days"),
        ("fixed(99999999999d)", "is too long"),
        ("fixed(1s) only on", "'' is no failure's name"),
        ("only on lost", "bounded by max_losses"),
        ("only on 0", "an exit code that fails is from 1 to 255"),
        ("only on some thing", "'some thing' is no failure's name"),
        (",".join(["1s"] * 101), "at most 100"),
    ],
)
def test_a_text_that_says_none_is_refused_in_words(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        retry_in(text)


def test_waits_of_a_list_come_one_after_another_and_the_last_one_stays() -> None:
    policy = retry_in("1s, 10s")
    assert [policy.delay(n, jitter=0) for n in (1, 2, 3)] == [SECOND, 10 * SECOND, 10 * SECOND]


def test_an_exponential_wait_doubles_up_to_its_longest_and_spreads_only_if_asked() -> None:
    plain, spread = retry_in("exponential(1s, max 5s)"), retry_in("exponential(1s, max 5s, jitter)")
    assert [plain.delay(n, jitter=0) for n in (1, 2, 3, 4)] == [
        SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND,
    ]  # fmt: skip
    assert spread.delay(2, jitter=0) == SECOND


def test_a_policy_without_waits_leaves_them_to_the_worker() -> None:
    assert retry_in("only on 75").delay(1, jitter=0) is None


def test_a_failure_is_covered_by_any_of_its_names() -> None:
    policy = retry_in("fixed(1s) only on OSError, 75")
    assert policy.covers(("ConnectionResetError", "OSError"))
    assert not policy.covers(("ValueError", "Exception"))
    assert retry_in("fixed(1s)").covers(("anything",))


def test_who_says_a_policy_has_retries() -> None:
    assert default_max_attempts("command") == 1
    assert default_max_attempts("command", "fixed(1s)") == DEFAULT_MAX_ATTEMPTS
    assert default_max_attempts("command", "1s, 1s, 1s, 1s") == 5
