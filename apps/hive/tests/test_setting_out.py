"""A Ctrl-C while modules are read ends the process wherever it comes, or is ignored as before."""

import subprocess
import sys

import pytest

PRESSED_IN_A_CALLBACK = """
import signal, weakref
from hive.setting_out import setting_out
class Lock:
    pass
{first}
before = signal.getsignal(signal.SIGINT)
with setting_out():
    if {is_pressed}:
        lock = Lock()
        known = weakref.ref(lock, lambda _: signal.raise_signal(signal.SIGINT))
        del lock
print("went on", signal.getsignal(signal.SIGINT) is before)
"""
"""As the locks of imports are forgotten; what is raised in there goes nowhere."""


def ended(*, first: str = "", is_pressed: bool = True) -> "subprocess.CompletedProcess[str]":
    program = PRESSED_IN_A_CALLBACK.format(first=first, is_pressed=is_pressed)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )


def test_it_ends_the_process_where_an_exception_would_be_lost() -> None:
    done = ended()
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("handler", "said"), [("signal.SIG_IGN", ""), ("lambda *_: print('heard')", "heard\n")]
)
def test_who_ignores_or_hears_it_already_still_does(handler: str, said: str) -> None:
    done = ended(first=f"signal.signal(signal.SIGINT, {handler})")
    assert (done.stdout, done.stderr) == (f"{said}went on True\n", "")


def test_afterwards_it_is_pythons_own_again() -> None:
    assert ended(is_pressed=False).stdout == "went on True\n"
