"""Write docs/task-lifecycle.md from the table of moves (`make docs`)."""

from pathlib import Path

from hive_contracts.states import INITIAL_STATES, MOVES, TERMINAL_STATES

TARGET = Path(__file__).parents[1] / "docs" / "task-lifecycle.md"

HEAD = """\
# The life of a task

Drawn from `hive_contracts.states.MOVES` by `make docs`.

"""


def page() -> str:
    """Return the page, as mermaid in Markdown."""
    births = [f"    [*] --> {state}" for state in MOVES if state in INITIAL_STATES]
    moves = [
        f"    {state} --> {to}: {move}" for state, row in MOVES.items() for move, to in row.items()
    ]
    ends = [f"    {state} --> [*]" for state in MOVES if state in TERMINAL_STATES]
    drawing = ["```mermaid", "stateDiagram-v2", *births, *moves, *ends, "```"]
    return HEAD + "\n".join(drawing) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
