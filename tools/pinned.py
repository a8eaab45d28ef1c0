"""Print the part of a lock file (standard input) that pins one package, hashes included."""

import sys


def pinned(lock: str, package: str) -> str:
    """Return the lines of `lock` that belong to `package`, or nothing."""
    kept: list[str] = []
    inside = False
    for line in lock.splitlines():
        if not line.startswith(" "):
            inside = line.startswith(f"{package}==")
        if inside:
            kept.append(line)
    return "\n".join(kept)


if __name__ == "__main__":
    print(pinned(sys.stdin.read(), sys.argv[1]))
