"""Print what Hive needs from others, one requirement a line (`make lock` compiles it)."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def requirements() -> list[str]:
    """Return every third-party requirement of the members and of the tools, sorted."""
    root = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = set(root["dependency-groups"]["dev"])
    for member in ROOT.glob("*/*/pyproject.toml"):
        needed |= set(tomllib.loads(member.read_text(encoding="utf-8"))["project"]["dependencies"])
    return sorted(r for r in needed if not r.startswith("hive-"))


if __name__ == "__main__":
    print("\n".join(requirements()))
