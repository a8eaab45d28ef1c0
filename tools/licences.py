"""Write licences.txt: the licence of every locked requirement, as its own metadata says.

A requirement that is not installed here (of another platform) keeps the line that it has.
"""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements.lock"
TARGET: Final = ROOT / "licences.txt"
HEAD: Final = (
    "# The licence of every locked requirement. Written by `make licences`; look at what is new.\n"
)
PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
CLASSIFIER: Final = "License :: OSI Approved :: "
NAMES: Final = {
    "MIT": "MIT",
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Apache Software License AND MIT License": "Apache-2.0 OR MIT",
    "MIT License AND Apache Software License": "MIT OR Apache-2.0",
}


def licence_of(package: str) -> str | None:
    """Return what an installed package says of its licence; None if it is not installed."""
    try:
        found: Any = metadata(package)  # a message of the standard library's `email`
    except PackageNotFoundError:
        return None
    expression: str | None = found.get("License-Expression")
    if expression:
        return expression
    classifiers: list[str] = found.get_all("Classifier") or []
    told = [c.removeprefix(CLASSIFIER) for c in classifiers if c.startswith(CLASSIFIER)]
    text: str = found.get("License") or "unknown"
    said = " AND ".join(told) or text.splitlines()[0]
    return NAMES.get(said, said)


def page() -> str:
    """Return the file, sorted by name."""
    lines = TARGET.read_text(encoding="utf-8").splitlines() if TARGET.exists() else []
    kept = dict(line.split(maxsplit=1) for line in lines if line[:1] != "#")
    rows = [
        f"{name}=={version} {licence_of(name) or kept.get(f'{name}=={version}', 'unknown')}"
        for name, version in PINNED.findall(LOCK.read_text(encoding="utf-8"))
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
