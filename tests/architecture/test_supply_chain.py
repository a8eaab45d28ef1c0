"""What Hive takes from others is pinned, hashed, and under licences that were looked at."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LICENCES: Final = ROOT / "licences.txt"

LOOKED_AT: Final = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0",
    "MPL-2.0", "PSF-2.0", "PostgreSQL", "Unlicense", "Zlib",
}  # fmt: skip
"""Licences that ask for no more than to be named, or (MPL) for the file's own source."""


def locked() -> dict[str, list[str]]:
    """Return the hashes of every requirement that is locked, by `name==version`."""
    found: dict[str, list[str]] = {}
    for requirement, hashes in requirements():
        found[f"{requirement.name}{requirement.specifier}"] = hashes
    return found


def requirements() -> Iterator[tuple[Requirement, list[str]]]:
    """Yield every requirement that is locked, with its hashes."""
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", "")
    for line in text.splitlines():
        words = line.split("--hash=")
        yield Requirement(words[0].strip()), [word.strip() for word in words[1:]]


def known() -> dict[str, str]:
    """Return the licence of every requirement, by `name==version`."""
    lines = LICENCES.read_text("utf-8").splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line and line[0] != "#")


def test_every_requirement_is_pinned_and_has_hashes() -> None:
    assert locked()
    for name, hashes in locked().items():
        assert "==" in name
        assert hashes, name
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in hashes), name


def test_the_lock_names_no_address_to_fetch_from() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|@ file", text)


def test_the_licences_are_of_what_is_locked() -> None:
    assert known().keys() == locked().keys(), "run `make licences`, and look at what is new"


def test_every_licence_was_looked_at() -> None:
    for name, licence in known().items():
        parts = set(re.split(r" (?:AND|OR|WITH) |[()]", licence)) - {""}
        assert parts <= LOOKED_AT, name


def test_what_is_installed_is_what_is_locked() -> None:
    for requirement, _ in requirements():
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue  # of another Python, or of another platform
        try:
            assert version(requirement.name) in requirement.specifier
        except PackageNotFoundError:
            continue  # of another platform


def test_what_is_installed_fits_together() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    left_out = "|".join(said["tool"]["uv"]["exclude-dependencies"])
    missing = re.compile(rf"\S+ \S+ requires (?:{left_out}), which is not installed\.")
    assert done.stdout, done.stderr
    complaints = [line for line in done.stdout.splitlines() if not missing.fullmatch(line)]
    assert complaints in ([], ["No broken requirements found."])
