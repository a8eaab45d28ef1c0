"""What the scripted agent does: one act for each line of its script.

@say TEXT               one turn; {answer} stands for what it was last told
@turns N [SECONDS]      N turns, so long between two of them
@cost USD               as much more money by its own count
@tokens READ WRITTEN    as many more tokens, in one turn
@sleep SECONDS
@wait-for PATH          until there is such a file
@write PATH TEXT        a line to the end of a file
@commit MESSAGE         everything, with git
@witness PATH WORD      a line to a file outside: who it is, its task, the word, and when
@ask TEXT [| OPTION]... ends with a question; a session that goes on goes on behind it
@permit TOOL DETAIL     the same with something that it was not allowed to do
@quota [SECONDS]        its quota is used up, for so long if it says
@quota-while PATH       the same for as long as there is such a file: it has the seconds
@fail TEXT              an error of its own
@max-turns              it stops at a limit of its own
@crash                  a traceback
@exit CODE              at its end, instead of 0
@no-result              it ends well and says nothing at its end
@silent                 it prints nothing, and stays
@hang                   it stays
@linger                 it gives its result, and stays
@deaf                   it ignores SIGTERM from now on
@daemon                 it leaves a process behind, in a session of its own
@garbage, @half-line, @long-line BYTES    lines that are no events, end nowhere, or are long
@attempt N ACT          only in the attempt of that number
@maybe P ACT            with that probability, by the seed
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final

from hive_agents.scripted.speaking import Speaker, Usage

__all__ = ["ACTS", "Play", "script_in"]

FOREVER_SECONDS: Final = 86_400.0


@dataclass(slots=True, kw_only=True)
class Play:
    """One run of the agent."""

    speaker: Speaker
    random: Random
    name: str = field(default_factory=lambda: f"{os.getpid()}-{time.monotonic_ns()}")
    """Tells this run from all others on the machine."""

    answer: str = ""
    """What it was told when its session went on."""

    keep: Callable[[], None] = lambda: None
    """Has the session remember that what comes now is done."""

    max_turns: int | None = None
    max_usd: float | None = None
    allowed: frozenset[str] = frozenset()
    usage: Usage = field(default_factory=Usage)
    text: str = ""
    """What it gives as its result."""

    exit_code: int = 0
    has_result: bool = True
    lingers: bool = False
    ended: int | None = None
    """With which exit code it has ended before its script did; None if it has not."""

    def turn(self, text: str, *, read: int | None = None, written: int | None = None) -> None:
        """Take one turn, unless a limit of its own is reached."""
        if self.max_turns is not None and self.usage.turns >= self.max_turns:
            self.end(self.speaker.fail("turns", "it has reached its limit of turns", self.usage))
            return
        read = self.random.randrange(50, 200) if read is None else read
        written = self.random.randrange(10, 50) if written is None else written
        cached = self.random.randrange(1000, 5000)
        self.usage.turns += 1
        self.usage.read += read
        self.usage.cached += cached
        self.usage.written += written
        self.speaker.answer(text, self.usage.turns, read, cached, written)
        if self.max_usd is not None and self.usage.usd > self.max_usd:
            self.end(self.speaker.fail("usd", "it has reached its budget", self.usage))

    def end(self, code: int) -> None:
        """End before the script does."""
        self.ended = code if self.ended is None else self.ended

    def witness(self, word: str, path: str | None = None) -> None:
        """Write a line to a file: who this is, its task, the word, and when."""
        path = path or os.environ.get("SCRIPTED_AGENT_WITNESS")
        if not path:
            return
        task, attempt = (os.environ.get(name, "0") for name in ("HIVE_TASK_ID", "HIVE_ATTEMPT"))
        now, pid = time.monotonic_ns(), os.getpid()
        line = f"{self.name} {task} {word} {now} {pid} process {attempt}\n".encode()
        # In one write to the end, so that no two can mix.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line)
        os.close(file)

    def do(self, act: str) -> None:
        """Do one act of a script.

        Raises:
            SystemExit: there is no such act.
        """
        name, _, rest = act.partition(" ")
        if name not in ACTS:
            sys.exit(f"the scripted agent cannot {name!r}; it can {', '.join(sorted(ACTS))}")
        ACTS[name](self, rest.strip())


def script_in(prompt: str) -> list[str]:
    """Return the acts in a prompt, without their `@`."""
    lines = (line.strip() for line in prompt.splitlines())
    return [line[1:] for line in lines if line.startswith("@")]


def _say(play: Play, rest: str) -> None:
    text = rest.replace("{answer}", play.answer)
    play.text = text
    play.turn(text)


def _turns(play: Play, rest: str) -> None:
    many, _, seconds = rest.partition(" ")
    for number in range(int(many)):
        if number and seconds:
            time.sleep(float(seconds))
        if play.ended is None:
            play.turn(f"step {number + 1}")


def _cost(play: Play, rest: str) -> None:
    play.usage.extra_usd += float(rest)


def _tokens(play: Play, rest: str) -> None:
    read, written = rest.split()
    play.turn("a long one", read=int(read), written=int(written))


def _write(play: Play, rest: str) -> None:
    path, _, text = rest.replace("{answer}", play.answer).partition(" ")
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _commit(_play: Play, rest: str) -> None:
    by = ("-c", "user.name=scripted", "-c", "user.email=scripted@localhost")
    for words in (("add", "--all"), (*by, "commit", "--quiet", "--message", rest)):
        subprocess.run(("git", *words), check=True, stdout=subprocess.DEVNULL)  # noqa: S607 - whichever git there is


def _witness(play: Play, rest: str) -> None:
    path, _, word = rest.partition(" ")
    play.witness(word or "seen", path)


def _ask(play: Play, rest: str) -> None:
    text, *options = (part.strip() for part in rest.split("|"))
    play.keep()
    play.speaker.ask(text, options, play.usage)
    play.end(0)


def _permit(play: Play, rest: str) -> None:
    tool, _, detail = rest.partition(" ")
    if tool not in play.allowed and not play.answer.lower().startswith("no"):
        play.speaker.ask_for(tool, detail, play.usage)
        play.end(0)


def _quota(play: Play, rest: str) -> None:
    play.keep()
    _tell_quota(play, rest)


def _quota_while(play: Play, rest: str) -> None:
    try:
        seconds = Path(rest).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return
    _tell_quota(play, seconds)


def _tell_quota(play: Play, said: str) -> None:
    play.witness("quota")
    seconds = int(said) if said else None
    resets_at = None if seconds is None else int(time.time()) + seconds  # noqa: TID251 - an agent has no other clock
    play.end(play.speaker.quota(seconds, resets_at))


def _fail(play: Play, rest: str) -> None:
    play.keep()
    play.end(play.speaker.fail("error", rest or "something went wrong", play.usage))


def _max_turns(play: Play, _rest: str) -> None:
    play.end(play.speaker.fail("turns", "it has reached its limit of turns", play.usage))


def _crash(play: Play, _rest: str) -> None:
    play.keep()
    raise RuntimeError("the scripted agent was told to crash")


def _exit(play: Play, rest: str) -> None:
    play.exit_code = int(rest)


def _no_result(play: Play, _rest: str) -> None:
    play.keep()
    play.has_result = False


def _silent(play: Play, _rest: str) -> None:
    play.keep()
    time.sleep(FOREVER_SECONDS)


def _linger(play: Play, _rest: str) -> None:
    play.lingers = True


def _deaf(_play: Play, _rest: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _daemon(_play: Play, _rest: str) -> None:
    subprocess.Popen(("sleep", str(int(FOREVER_SECONDS))), start_new_session=True)  # noqa: S607 - whichever there is


def _garbage(_play: Play, _rest: str) -> None:
    sys.stdout.buffer.write(b'\xff\xfe this is no event\n[1, 2]\nnull\n{"type": 7}\n\n')
    sys.stdout.flush()


def _half_line(play: Play, _rest: str) -> None:
    play.keep()
    sys.stdout.write('{"type": "result", "subty')
    sys.stdout.flush()
    play.end(play.exit_code)


def _long_line(play: Play, rest: str) -> None:
    play.turn("x" * int(rest or "1000000"))


def _attempt(play: Play, rest: str) -> None:
    number, _, act = rest.partition(" ")
    if os.environ.get("HIVE_ATTEMPT", "1") == number:
        play.do(act)


def _maybe(play: Play, rest: str) -> None:
    probability, _, act = rest.partition(" ")
    if play.random.random() < float(probability):
        play.do(act)


def _wait_for(_play: Play, rest: str) -> None:
    while not Path(rest).exists():
        time.sleep(0.01)


def _sleep(_play: Play, rest: str) -> None:
    time.sleep(float(rest))


ACTS: Final[Mapping[str, Callable[[Play, str], None]]] = MappingProxyType(
    {
        "say": _say, "turns": _turns, "cost": _cost, "tokens": _tokens, "sleep": _sleep,
        "write": _write, "commit": _commit, "witness": _witness, "ask": _ask, "permit": _permit,
        "quota": _quota, "quota-while": _quota_while, "fail": _fail, "max-turns": _max_turns,
        "crash": _crash, "exit": _exit, "no-result": _no_result, "silent": _silent,
        "hang": _silent, "linger": _linger, "deaf": _deaf, "daemon": _daemon,
        "garbage": _garbage, "half-line": _half_line, "long-line": _long_line,
        "wait-for": _wait_for, "attempt": _attempt, "maybe": _maybe,
    }
)  # fmt: skip
