"""Output: kept only under the lease, in order, and read on from any byte."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeAlias

from hive_contracts.execution import Stream
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_store import QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.worker_store import Ending, Piece

LeaseOut: TypeAlias = Callable[[int], Awaitable[tuple[LeaseId, list[TaskId]]]]

MINUTE: Final = timedelta(minutes=1)


def piece(
    task_id: TaskId,
    lease_id: LeaseId,
    position: int,
    data: bytes,
    stream: Stream = Stream.STDOUT,
) -> Piece:
    return Piece(task_id=task_id, lease_id=lease_id, stream=stream, position=position, data=data)


async def read(tasks: TaskStore, task_id: TaskId, **place: int) -> list[tuple[str, int, bytes]]:
    pieces = await tasks.read_output(task_id, **place)
    return [(p.stream, p.position, p.data) for p in pieces]


async def run_again(
    queen: QueenStore, worker: WorkerStore, held: tuple[LeaseId, TaskId], move: Move
) -> LeaseId:
    """End the attempt, and put the task into the worker's hands again."""
    outcome = OutcomeName.RELEASED if move is Move.RELEASE else OutcomeName.FAILED
    await worker.finish([Ending(task_id=held[1], lease_id=held[0], move=move, outcome=outcome)])
    await queen.sweep_due(batch_size=1)
    [bundle] = await queen.claim(
        "default", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    await worker.accept([bundle.lease_id], lease=MINUTE)
    return bundle.lease_id


async def test_pieces_are_read_in_the_order_in_which_they_came(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.append_output(
        [
            piece(task_id, lease_id, 0, b"one"),
            piece(task_id, lease_id, 0, b"oh", Stream.STDERR),
            piece(task_id, lease_id, 3, b"\x00\xff"),
        ]
    )
    await worker.append_output([piece(task_id, lease_id, 900, b"tail")])
    assert await read(tasks, task_id) == [
        ("stdout", 0, b"one"),
        ("stderr", 0, b"oh"),
        ("stdout", 3, b"\x00\xff"),
        ("stdout", 900, b"tail"),
    ]


async def test_reading_goes_on_from_any_byte_of_each_stream(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    await worker.append_output(
        [
            piece(task_id, lease_id, 0, b"abcdef"),
            piece(task_id, lease_id, 6, b"ghi"),
            piece(task_id, lease_id, 0, b"ERR", Stream.STDERR),
        ]
    )
    for seen in range(10):
        rest = await read(tasks, task_id, after_stdout=seen, after_stderr=3)
        assert b"".join(data for _, _, data in rest) == b"abcdefghi"[seen:]
        assert all(stream == "stdout" for stream, _, _ in rest)
        assert not rest or rest[0][1] == seen
    assert await read(tasks, task_id, after_stdout=9, after_stderr=1) == [("stderr", 1, b"RR")]


async def test_a_piece_that_is_sent_again_is_kept_once(
    tasks: TaskStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    lease_id, [task_id] = await lease_out(1)
    for _ in range(2):
        await worker.append_output([piece(task_id, lease_id, 0, b"once")])
    assert await read(tasks, task_id) == [("stdout", 0, b"once")]


async def test_a_piece_under_a_lease_that_is_gone_is_left_out_and_costs_the_others_nothing(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    old, [task_id, other] = await lease_out(2)
    new = await run_again(queen, worker, (old, task_id), Move.RELEASE)
    await worker.append_output(
        [
            piece(task_id, old, 0, b"stale"),
            piece(task_id, new, 0, b"fresh"),
            piece(other, old, 0, b"held"),
        ]
    )
    assert await read(tasks, task_id) == [("stdout", 0, b"fresh")]
    assert await read(tasks, other) == [("stdout", 0, b"held")]


async def test_each_attempt_has_its_own_output(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    first, [task_id] = await lease_out(1)
    await worker.append_output([piece(task_id, first, 0, b"first")])
    second = await run_again(queen, worker, (first, task_id), Move.RETRY)
    assert await read(tasks, task_id) == []
    await worker.append_output([piece(task_id, second, 0, b"second")])
    assert await read(tasks, task_id, attempt=1) == [("stdout", 0, b"first")]
    assert await read(tasks, task_id, attempt=2) == [("stdout", 0, b"second")]
    assert await read(tasks, task_id) == [("stdout", 0, b"second")]
    assert await read(tasks, task_id, attempt=3) == []


async def test_of_attempts_with_one_number_the_one_that_was_not_given_back_is_read(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, lease_out: LeaseOut
) -> None:
    first, [task_id] = await lease_out(1)
    await worker.append_output([piece(task_id, first, 0, b"given back")])
    second = await run_again(queen, worker, (first, task_id), Move.RELEASE)
    await worker.append_output([piece(task_id, second, 0, b"in earnest")])
    assert await read(tasks, task_id, attempt=1) == [("stdout", 0, b"in earnest")]
