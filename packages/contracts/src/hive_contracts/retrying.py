"""When a task that has failed is tried again, and after which failures: its retry policy.

A policy is kept with the task as text, which is the same in Python, on the command line and in SQL:

    exponential(1s, max 1h, jitter)     doubled after each failure, up to the longest
    fixed(30s)                          always the same
    1s, 10s, 5m                         one after another; the last one from then on
    fixed(30s) only on 75, timed_out    tried again only after these failures
    only on ConnectionError             the same, with the waits that tasks have by default

What a failure is called depends on its kind: a command's exit code or signal (75, SIGKILL), the
type of a function's exception or one that it is derived from (OSError, shop.errors.Busy), and
`timed_out` for any attempt that ran out of time. Losses of workers are not failures.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from hive_contracts.durations import duration_in, text_of
from hive_contracts.outcomes import backoff

__all__ = [
    "LONGEST_RETRY_DELAY",
    "TIMED_OUT",
    "Retry",
    "is_exit",
    "retry_in",
]

LONGEST_RETRY_DELAY: Final = timedelta(days=365)
MOST_DELAYS: Final = 100
MOST_NAMES: Final = 100
LONGEST_NAME: Final = 200
TIMED_OUT: Final = "timed_out"
"""What the failure of an attempt is called that ran longer than it may."""

LOST: Final = "lost"
FORMS: Final = "exponential(1s, max 1h, jitter), fixed(30s), or 1s, 10s, 5m"
HIGHEST_EXIT_CODE: Final = 255
BASE: Final = timedelta(seconds=1)

_policy: Final = re.compile(r"(?P<delays>.*?)(?:(?:^|\s+)only on(?P<names>\s.*|))?", re.DOTALL)
_call: Final = re.compile(r"(exponential|fixed)\s*\(([^()]*)\)")
_name: Final = re.compile(r"[0-9]{1,3}|[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_exit: Final = re.compile(r"[0-9]{1,3}|SIG[A-Z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A retry policy. Make one with `exponential`, `fixed`, `after` or `only_on`."""

    delays: tuple[timedelta, ...] = ()
    """How long to wait after each failure, the last one from then on; none: see `longest`."""

    longest: timedelta | None = None
    """With it the wait is doubled from the first of `delays` on, up to this."""

    jitter: bool = False
    """Whether a doubled wait is spread between half of it and all."""

    names: tuple[str, ...] = ()
    """The failures that are tried again; none for all."""

    def __post_init__(self) -> None:
        """Refuse what no wait can be made of.

        Raises:
            ValueError: the message says what is wrong with the policy.
        """
        if len(self.delays) > MOST_DELAYS:
            raise ValueError(f"it has {len(self.delays)} waits; at most {MOST_DELAYS} are kept")
        for delay in (*self.delays, self.longest or timedelta(0)):
            if not timedelta(0) <= delay <= LONGEST_RETRY_DELAY:
                raise ValueError(f"a wait is from 0 to {LONGEST_RETRY_DELAY.days} days")
        if self.longest is not None and self.longest < self.delays[0]:
            raise ValueError("its longest wait is shorter than its first")
        if len(self.names) > MOST_NAMES:
            raise ValueError(f"it names {len(self.names)} failures; at most {MOST_NAMES} are kept")
        for name in self.names:
            _refuse_name(name)

    @classmethod
    def exponential(
        cls,
        base: timedelta = BASE,
        *,
        longest: timedelta = timedelta(hours=1),
        jitter: bool = True,
    ) -> "Retry":
        """Return a policy that doubles its wait after each failure."""
        return cls(delays=(base,), longest=longest, jitter=jitter)

    @classmethod
    def fixed(cls, delay: timedelta) -> "Retry":
        """Return a policy that always waits as long."""
        return cls(delays=(delay,))

    @classmethod
    def after(cls, *delays: timedelta) -> "Retry":
        """Return a policy of one wait after another; the last one goes on for ever."""
        return cls(delays=delays)

    def only_on(self, *failures: str | int | type[BaseException]) -> "Retry":
        """Return the policy for some failures alone; after any other the task has failed.

        Args:
            failures: exit codes, signals, types of exceptions or their names, or `timed_out`.
        """
        return Retry(
            delays=self.delays,
            longest=self.longest,
            jitter=self.jitter,
            names=tuple(f.__name__ if isinstance(f, type) else str(f) for f in failures),
        )

    @property
    def has_list(self) -> bool:
        """Whether it has several waits, so that it says by itself how many attempts are meant."""
        return len(self.delays) > 1

    def covers(self, failure: Iterable[str]) -> bool:
        """Return whether a failure is to be tried again, by one of the names that it goes by."""
        return not self.names or not set(self.names).isdisjoint(failure)

    def delay(self, failures: int, *, jitter: float) -> timedelta | None:
        """Return how long to wait after a failure; None for as long as tasks do by default.

        Args:
            failures: how many attempts have ended in failure, this one included; at least 1.
            jitter: a random number in [0, 1).
        """
        if not self.delays:
            return None
        if self.longest is None:
            return self.delays[min(failures, len(self.delays)) - 1]
        spread = jitter if self.jitter else 1.0
        return backoff(failures, base=self.delays[0], cap=self.longest, jitter=spread)

    def __str__(self) -> str:
        """Return the policy as text, which `retry_in` reads."""
        parts = [self._waits(), f"only on {', '.join(self.names)}" if self.names else ""]
        return " ".join(part for part in parts if part)

    def _waits(self) -> str:
        texts = [text_of(delay) for delay in self.delays]
        if self.longest is not None:
            jitter = ", jitter" if self.jitter else ""
            return f"exponential({texts[0]}, max {text_of(self.longest)}{jitter})"
        return f"fixed({texts[0]})" if len(texts) == 1 else ", ".join(texts)


@lru_cache
def retry_in(text: str) -> Retry:
    """Return the policy that `text` says.

    Raises:
        ValueError: it says none; the message says what is wrong, and how to write one.
    """
    match = _policy.fullmatch(text.strip())
    if not text.strip() or match is None:
        raise ValueError(f"it says nothing; write it like {FORMS}")
    waits, names = match["delays"].strip(), match["names"]
    policy = _waits_in(waits) if waits else Retry()
    if names is None:
        return policy
    listed = [name.strip() for name in names.split(",")]
    return policy.only_on(*listed)


def is_exit(name: str) -> bool:
    """Return whether a failure's name is that of a process: an exit code or a signal."""
    return _exit.fullmatch(name) is not None


def _waits_in(text: str) -> Retry:
    call = _call.fullmatch(text)
    if call is None:
        return Retry(delays=tuple(_duration_in(part) for part in text.split(",")))
    form, words = call[1], [word.strip() for word in call[2].split(",")]
    if form == "fixed":
        if len(words) != 1:
            raise ValueError(f"fixed has one wait, as in fixed(30s), not {len(words)}")
        return Retry.fixed(_duration_in(words[0]))
    return _exponential_in(words)


def _exponential_in(words: list[str]) -> Retry:
    base, longest, jitter = BASE, timedelta(hours=1), False
    for place, word in enumerate(words):
        if word == "jitter":
            jitter = True
        elif word.startswith("max "):
            longest = _duration_in(word.removeprefix("max "))
        elif place == 0:
            base = _duration_in(word)
        else:
            raise ValueError(
                f"{word!r} is nothing that exponential knows; write exponential(1s, max 1h, jitter)"
            )
    return Retry.exponential(base, longest=longest, jitter=jitter)


def _duration_in(text: str) -> timedelta:
    try:
        return duration_in(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()!r} is no wait; write the policy like {FORMS}") from None
    except OverflowError:
        raise ValueError(f"{text.strip()!r} is too long") from None


def _refuse_name(name: str) -> None:
    if name == LOST:
        raise ValueError(
            "lost workers are not failures, and are bounded by max_losses; leave `lost` out"
        )
    if len(name) > LONGEST_NAME or _name.fullmatch(name) is None:
        raise ValueError(
            f"{name[:LONGEST_NAME]!r} is no failure's name; it is an exit code, a signal, the type"
            f" of an exception, or {TIMED_OUT}, with commas between them"
        )
    if name.isdecimal() and not 1 <= int(name) <= HIGHEST_EXIT_CODE:
        raise ValueError(f"an exit code that fails is from 1 to {HIGHEST_EXIT_CODE}, not {name}")
