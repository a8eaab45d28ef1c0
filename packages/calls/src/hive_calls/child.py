"""The program that runs sync functions: one call after another, until it is told to stop.

    python -P -m hive_calls.child        with the socket of `frames` as descriptor 3

Its stdout and stderr are the attempt's output, and are flushed before each reply, so that a reply
says: everything that the call printed is already in the pipes. SIGTERM is raised inside the
function as an exception, so that its `finally` blocks run; what does not end then is killed. A
crash leaves a Python traceback on stderr.

The function has the house to itself: threads that it leaves behind, modules that it changes and
memory that it leaks stay until the child is replaced. What it forks dies with the child.
"""

import faulthandler
import os
import signal
import sys
from collections.abc import Sequence
from types import CoroutineType, FrameType
from typing import Any, NoReturn, TextIO

from hive_calls.asking import Asking
from hive_calls.failures import describe, names_of, storable
from hive_calls.frames import CHANNEL, MAX_REPLY_BYTES, read_frame, write_frame
from hive_calls.functions import UncallableError, find, is_async
from hive_calls.life import ChildsLife
from hive_calls.own_task import TaskInChild, now_runs
from hive_contracts.errors import UnstorableValueError
from hive_contracts.sizes import oversize
from hive_contracts.tasks import NewTask, ParentResult, Question
from hive_contracts.wire import decode_json, decode_parents, decode_questions, encode_json

__all__ = ["main"]


class _Stopped(BaseException):
    """SIGTERM arrived."""


def main() -> None:
    """Serve calls until the worker closes the socket or SIGTERM arrives."""
    faulthandler.enable()
    signal.signal(signal.SIGTERM, _raise_stopped)
    os.register_at_fork(
        before=_hold_sigterm, after_in_parent=_let_sigterm_in, after_in_child=_become_ordinary
    )
    try:
        os.set_inheritable(CHANNEL, False)
        sys.stdout, sys.stderr = _writing_to(1), _writing_to(2)
        _serve()
    except (_Stopped, ConnectionError):
        return


def _raise_stopped(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Stopped


# What the function forks is its own affair, and dies of SIGTERM as any process does. A SIGTERM that
# comes in the middle of a fork would be lost between the two handlers, so it has to wait.


def _hold_sigterm() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _let_sigterm_in() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _become_ordinary() -> None:
    if signal.getsignal(signal.SIGTERM) is _raise_stopped:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_sigterm_in()


def _serve() -> None:
    setup = read_frame(CHANNEL)
    if setup is None:
        return
    house = decode_json(setup)
    sys.path[:] = house["path"]
    pid = os.getpid()
    life = ChildsLife(lambda: write_frame(CHANNEL, "") if os.getpid() == pid else None)
    while (request := read_frame(CHANNEL)) is not None:
        _mend_streams()
        asked = decode_json(request)
        if asked.get("shows_life"):
            life.begin()
        reply = _answer(asked, house["modules"])
        life.end()
        _flush(sys.stdout)
        _flush(sys.stderr)
        if os.getpid() != pid:
            # The function forked and came back twice; only one of the two may answer.
            os._exit(0)
        write_frame(CHANNEL, reply)


def _answer(request: dict[str, Any], modules: Sequence[str]) -> str:
    try:
        if (path := request.get("look_up")) is not None:
            return encode_json({"is_async": is_async(find(path, modules))})
        payload = request["payload"]
        function = find(payload["function"], modules)
    except UncallableError as error:
        return _failure(str(error), is_retryable=error.is_retryable)
    os.environ["HIVE_TASK_ID"] = str(request["task_id"])
    os.environ["HIVE_ATTEMPT"] = str(request["attempt"])
    try:
        own = TaskInChild(_ask_for_parents, _ask_for_answers)
        now_runs(own)
        result = function(*payload.get("args", ()), **payload.get("kwargs", {}))
        return _success(result, payload["function"], own.then)
    except _Stopped:
        raise
    except Asking as asking:
        return _asks(asking)
    except BaseException as error:  # noqa: BLE001 - the function may raise anything
        return _failure(describe(error), names=names_of(error))


def _asks(asking: Asking) -> str:
    plain = asking.as_plain()
    if "options" in plain:
        plain["options"] = [storable(option) for option in plain["options"]]
    return encode_json({"asks": plain | {"reason": storable(plain["reason"])}})


def _ask_for_parents() -> list[ParentResult]:
    return decode_parents(_told_by_the_worker("parents"))


def _ask_for_answers() -> list[Question]:
    return decode_questions(_told_by_the_worker("answers"))


def _told_by_the_worker(what: str) -> object:
    write_frame(CHANNEL, encode_json({"ask": what}))
    answer = read_frame(CHANNEL)
    if answer is None:
        raise ConnectionError("the worker has closed the socket")
    return decode_json(answer)


def _success(result: object, function: str, then: Sequence[NewTask]) -> str:
    if isinstance(result, Asking):
        return _asks(result)
    # Not worth another try, any of these: the function has run to its end.
    if isinstance(result, CoroutineType):
        result.close()
        return _failure(
            f"{function} returned a coroutine; define it with `async def`", is_retryable=False
        )
    try:
        encoded = encode_json(result)
        following = f',"then":{encode_json(then)}' if then else ""
    except UnstorableValueError as error:
        return _failure(f"the result of {function} was lost: {error}", is_retryable=False)
    if excess := oversize(encoded):
        return _failure(
            f"the result of {function} {excess}. Write it to a file, and return the file's path",
            is_retryable=False,
        )
    reply = f'{{"result":{encoded}{following}}}'
    if following and (size_bytes := len(reply.encode())) > MAX_REPLY_BYTES:
        return _failure(
            f"{function} submits tasks of {size_bytes:,} bytes, and at most {MAX_REPLY_BYTES:,} go"
            " with its result. Put their payloads into files",
            is_retryable=False,
        )
    return reply


def _failure(error: str, *, is_retryable: bool = True, names: Sequence[str] = ()) -> str:
    return encode_json({"error": error, "is_retryable": is_retryable, "names": names})


def _writing_to(descriptor: int) -> TextIO:
    return open(
        descriptor,
        "w",
        buffering=1,
        encoding="utf-8",
        errors="backslashreplace",
        closefd=False,
    )


def _mend_streams() -> None:
    # The call before may have closed them.
    if getattr(sys.stdout, "closed", True):
        sys.stdout = _writing_to(1)
    if getattr(sys.stderr, "closed", True):
        sys.stderr = _writing_to(2)


def _flush(stream: TextIO | None) -> None:
    # The function may have closed, replaced or removed the stream.
    try:
        if stream is not None:
            stream.flush()
    except (AttributeError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()
