"""The SQL that Hive sends, one statement per file of `sql/`, read once.

Each file opens with a comment that says what the statement does, names its parameters
(`-- $1 queen_id uuid`), what it returns, which moves it makes (`-- moves: a -> b (move)`) and which
events it writes. The comment is not decoration: `tests/test_statements.py` holds it against
Postgres and against `hive_contracts.states.MOVES`.
"""

from functools import cache
from importlib.resources import files

__all__ = ["names", "statement"]


@cache
def statement(name: str) -> str:
    """Return the text of `sql/<name>.sql`.

    Raises:
        FileNotFoundError: there is no such statement.
    """
    return files("hive_store").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def names() -> list[str]:
    """Return the name of every statement, sorted."""
    sql = files("hive_store").joinpath("sql")
    return sorted(f.name.removesuffix(".sql") for f in sql.iterdir() if f.name.endswith(".sql"))
