r"""What this package raises on purpose, beside what its models raise.

HiveError
├── UsageError
│   └── MalformedVerseError    lines that are no sonnet, haiku or prose, for a cloud to keep
└── UnfinishedVerseError       the model did not come to an end; another seed may
"""

from hive_contracts.errors import HiveError, UsageError

__all__ = ["MalformedVerseError", "UnfinishedVerseError"]


class MalformedVerseError(UsageError):
    """Lines that are not of the form that was promised; the message counts them."""


class UnfinishedVerseError(HiveError):
    """The model has said as much as it may, and it is not enough. Nothing is made up to fill it."""
