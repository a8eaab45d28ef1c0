"""Drain a queue: pause it, and wait until nobody has any of its tasks."""

from hive.acting_for import actor_of
from hive.panel import Panel
from hive.printing import say
from hive.settings import Settings
from hive.tasks.reaching import open_view
from hive.words import counted
from hive_contracts.clocks import BootClock

__all__ = ["drain"]


async def drain(
    settings: Settings, queue: str, *, reason: str | None, patience_seconds: float | None
) -> bool:
    """Pause a queue and wait until none of its tasks is leased; return whether that came to be.

    Args:
        settings: which Hive.
        queue: the queue.
        reason: why it is paused.
        patience_seconds: how long to wait; None for as long as it takes.
    """
    clock = BootClock()
    began, panel = clock.seconds(), Panel()
    async with open_view(settings) as view:
        controls = view.controls_of(actor_of(settings))
        await controls.pause(queue, reason=reason)
        left = 0
        async for left in controls.leased_until_drained(queue):
            if patience_seconds is not None and clock.seconds() - began >= patience_seconds:
                break
            if panel.is_due:
                panel.draw([f"hive: {counted(left, 'task')} of queue {queue} still with workers"])
    panel.erase()
    if left:
        say(
            f"hive: queue {queue} is paused, but {counted(left, 'task')} of it"
            f" {'is' if left == 1 else 'are'} still with workers"
        )
    else:
        say(
            f"hive: queue {queue} is drained and stays paused; `hive queue resume {queue}` opens it"
        )
    return not left
