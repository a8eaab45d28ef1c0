"""Which schema a database has, and whether a program may work with it.

Each migration declares the oldest schema whose programs still work once it is applied, in a comment
`-- compatible_from: 3`; without one that is the schema before it. The database keeps what was
declared, so that a program can be told by a migration that it has never seen:

    the program is newer than the schema               refused: run `hive migrate`
    the same                                           fine
    the program is older, and the schema bears it      fine, and said once, at the start
    the program is older, and the schema does not      refused: upgrade this machine's Hive
"""

import re
from dataclasses import dataclass
from typing import Final

from hive_contracts.errors import SchemaMismatchError

__all__ = ["Schema", "declared_compatible_from"]

DECLARATION: Final = re.compile(r"^-- compatible_from: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Schema:
    """What a database says of its schema."""

    number: int
    """Of the last migration that was applied; 0 if Hive has never been there."""

    compatible_from: int
    """The oldest schema whose programs may work with it."""

    def bears(self, program: int) -> bool:
        """Return whether a program made for schema `program` may work with it."""
        return self.compatible_from <= program <= self.number

    def refuse(self, program: int) -> None:
        """Do nothing for a program that may work with it.

        Raises:
            SchemaMismatchError: the program, made for schema `program`, may not.
        """
        if self.bears(program):
            return
        if program > self.number:
            raise SchemaMismatchError(
                f"the database has schema {self.number} of Hive, this Hive needs {program};"
                " run `hive migrate`"
            )
        raise SchemaMismatchError(
            f"the database has schema {self.number} of Hive, newer than this Hive's {program};"
            " upgrade Hive on this machine: the schema works with programs of"
            f" schema {self.compatible_from} and later"
        )

    def notice_for(self, program: int) -> str | None:
        """Return what a program that may work with it should say; None if that is nothing."""
        if program >= self.number:
            return None
        return (
            f"the database has schema {self.number} of Hive, newer than this Hive's {program},"
            " which may go on working with it; upgrade Hive on this machine when it suits"
        )


def declared_compatible_from(number: int, script: str) -> int:
    """Return what a migration declares: the oldest schema whose programs still work after it."""
    declared = DECLARATION.search(script)
    return int(declared[1]) if declared else number - 1
