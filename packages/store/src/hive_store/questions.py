"""Rows of `hive.question` as what they tell."""

from hive_contracts.tasks import Question
from hive_store.line import Row

__all__ = ["question_in"]


def question_in(row: Row) -> Question:
    """Return what a row of `read_questions` tells."""
    return Question(
        number=row["number"],
        question=row["question"],
        options=tuple(row["options"]),
        asked_at=row["asked_at"],
        answer=row["answer"],
        answered_at=row["answered_at"],
        answered_by=row["answered_by"],
    )
