"""The profile as a page: in which functions queen and worker spent their time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["write_profile"]

MOST_FUNCTIONS: Final = 25


def write_profile(
    folder: Path, shares: Mapping[str, Mapping[str, float]], *, at: str, load: str
) -> None:
    """Write the page into `folder`."""
    lines = [
        "# Where the time goes",
        "",
        f"Written by `make bench ROWS=profile`, {at}; before it {load}. Shares are of samples in",
        "which the function itself ran, not what it called, during a drain of no-ops. What uvloop",
        "does in C (waiting too, where the sampler cannot tell) counts for `Runner.run`.",
    ]
    for role, functions in shares.items():
        lines += ["", f"## {role.capitalize()}", "", "| function | share |", "| --- | --- |"]
        first = list(functions.items())[:MOST_FUNCTIONS]
        lines += [f"| `{function}` | {100 * share:.1f} % |" for function, share in first]
    (folder / "performance-profile.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
