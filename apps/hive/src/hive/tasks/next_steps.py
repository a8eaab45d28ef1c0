"""What a person may want to type next, seeing a task in its state."""

from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState

__all__ = ["next_steps"]


def next_steps(task_id: TaskId, state: TaskState) -> str:
    """Return the commands that suit the state, the likeliest first."""
    match state:
        case TaskState.SCHEDULED | TaskState.QUEUED:
            verbs = ["cancel"]
        case TaskState.DISPATCHED | TaskState.RUNNING:
            verbs = ["logs -f", "cancel"]
        case TaskState.SUCCEEDED:
            verbs = ["logs"]
        case TaskState.FAILED | TaskState.CANCELLED:
            verbs = ["logs", "retry"]
    return " | ".join(f"hive {verb} {task_id}" for verb in verbs)
