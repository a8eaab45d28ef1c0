"""What the tasks of a chaos run do, and how each attempt bears witness to itself.

An attempt appends lines to one file that all share; each is one write with O_APPEND, so lines never
mix, and what was written outlives whoever wrote it:

    <run> <number> begin|alive|end <nanoseconds since boot> <pid> process|loop <attempt or ->

`run` names the attempt, `number` is the task's place in the order of submits. The clock is that of
the machine, also for a process that was given another one (a time namespace). A run without `end`
was killed; its `alive` lines say how long it lived at least.

Workers import this file as a module; `command` tasks run it as a program, in a bare Python.
"""

import asyncio
import os
import sys
import time

__all__ = ["compute", "flaky", "nap", "noop", "parked", "tick", "tick_alone", "witnessed"]

LOOK_SECONDS = 0.05
ROUNDS = 20_000
LINGER_SECONDS = 600.0

TICKS_FROM = 10**12
PLACES = 10

_descriptors: dict[str, int] = {}


def _offset_nanoseconds() -> int:
    """Return how far this process's clock since boot is ahead of the machine's."""
    try:
        with open("/proc/self/timens_offsets", encoding="ascii") as file:  # noqa: PTH123 - heavy
            fields = {words[0]: words[1:] for words in map(str.split, file)}
    except OSError:
        return 0
    seconds, nanoseconds = map(int, fields["boottime"])
    return seconds * 1_000_000_000 + nanoseconds


OFFSET = _offset_nanoseconds()


def answer(number: int) -> str:
    """Return what the task of that number must come to."""
    return f"done {number}"


def tick_number(place: int, moment: int) -> int:
    """Return the number of what a schedule makes: of which, and for which second since 1970."""
    return TICKS_FROM + moment * PLACES + place


class Witness:
    """One attempt's testimony."""

    def __init__(self, path: str, number: int, form: str, attempt: str) -> None:
        self._path = path
        self._name = os.urandom(8).hex()
        self._number = number
        self._tail = f"{os.getpid()} {form} {attempt}"

    def say(self, what: str) -> None:
        """Append one line."""
        at = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - OFFSET
        line = f"{self._name} {self._number} {what} {at} {self._tail}\n"
        os.write(_descriptor(self._path), line.encode())


def _descriptor(path: str) -> int:
    found = _descriptors.get(path)
    if found is None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        found = _descriptors[path] = os.open(path, flags, 0o600)
    return found


async def noop(path: str, number: int) -> str:
    """Do nothing, in the worker's own loop."""
    witness = Witness(path, number, "loop", "-")
    witness.say("begin")
    witness.say("end")
    return answer(number)


async def nap(path: str, number: int, seconds: float) -> str:
    """Sleep in the worker's own loop."""
    witness = Witness(path, number, "loop", "-")
    witness.say("begin")
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        await asyncio.sleep(min(left, LOOK_SECONDS))
        witness.say("alive")
    witness.say("end")
    return answer(number)


def compute(path: str, number: int, rounds: int) -> str:
    """Use a processor, in a child of the worker."""
    import hashlib  # noqa: PLC0415 - the other forms do without

    witness = Witness(path, number, "process", os.environ["HIVE_ATTEMPT"])
    witness.say("begin")
    for _ in range(rounds):
        hashlib.pbkdf2_hmac("sha256", b"hive", b"chaos", ROUNDS)
        witness.say("alive")
    witness.say("end")
    return answer(number)


def flaky(path: str, number: int, failures: int) -> str:
    """Fail so many attempts, then succeed, in a child of the worker."""
    attempt = os.environ["HIVE_ATTEMPT"]
    witness = Witness(path, number, "process", attempt)
    witness.say("begin")
    witness.say("end")
    if int(attempt) <= failures:
        raise RuntimeError(f"attempt {attempt} fails, as {failures} shall")
    return answer(number)


def parked(path: str, number: int, until: float, manner: str) -> str:
    """Ask to be set aside until a moment, in seconds since 1970, in a child of the worker."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415 - the other forms do without

    from hive_calls.asking import Park, Snooze  # noqa: PLC0415

    witness = Witness(path, number, "process", os.environ["HIVE_ATTEMPT"])
    witness.say("begin")
    witness.say("end")
    left = until - time.clock_gettime(time.CLOCK_REALTIME)
    if left > 0 and manner == "snooze":
        raise Snooze(timedelta(seconds=left))
    if left > 0:
        raise Park("it is too early", until=datetime.fromtimestamp(until, UTC))
    return answer(number)


async def tick(path: str, place: int, moment: str) -> str:
    """Do nothing for a schedule, in the worker's own loop."""
    return await noop(path, tick_number(place, _seconds_since_1970(moment)))


def tick_alone(path: str, place: int, moment: str, most_seconds: int) -> str:
    """Sleep for a schedule whose tasks never run at once, in a child of the worker."""
    seconds_since_1970 = _seconds_since_1970(moment)
    number = tick_number(place, seconds_since_1970)
    witness = Witness(path, number, "process", os.environ["HIVE_ATTEMPT"])
    witness.say("begin")
    _sleep(witness, most_seconds * (seconds_since_1970 // 4 % 4) / 3)
    witness.say("end")
    return answer(number)


def _seconds_since_1970(moment: str) -> int:
    from datetime import datetime  # noqa: PLC0415 - the other forms do without

    return int(datetime.fromisoformat(moment).timestamp())


def _sleep(witness: Witness, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, LOOK_SECONDS))
        witness.say("alive")


def witnessed(path: str, number: int, seconds: float, *, lingers: bool) -> None:
    """Sleep as a program of its own; if it `lingers`, leave a daemon behind that would go on."""
    witness = Witness(path, number, "process", os.environ["HIVE_ATTEMPT"])
    witness.say("begin")
    if lingers and os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(LINGER_SECONDS)
        os._exit(0)
    _sleep(witness, seconds)
    witness.say("end")
    os.write(1, answer(number).encode())


if __name__ == "__main__":
    witnessed(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), lingers=sys.argv[4] == "lingers")
