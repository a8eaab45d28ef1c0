"""What a task has asked and was answered, as `hive show` prints it."""

from collections.abc import Iterator

from hive_contracts.tasks import TaskRecord
from hive_process.screen_text import one_line

__all__ = ["questions_in_words"]


def questions_in_words(record: TaskRecord) -> Iterator[tuple[str, str]]:
    """Yield what was answered, and last what it asks now, each with its label."""
    for question in record.questions:
        if question.answer is not None:
            said = f"{question.answer} ({question.answered_by})"
            yield "asked", f"{one_line(question.question)} -- {one_line(said)}"
    if record.asked_at is not None:
        yield "asks", one_line(record.questions[-1].question)
