"""An environment for each peer, made from pinned versions under a directory that git ignores.

    .bench/NAME-DIGEST/    a virtual environment, or node_modules; the digest is that of the pins

Pins that change make a new environment. One that was not finished has no `complete` in it, and is
made again.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["PEERS", "Environments", "MissingError"]

PEERS: Final = Path(__file__).parents[1] / "peers"
ROOT: Final = Path(__file__).parents[3] / ".bench"
LONGEST_SECONDS: Final = 300


class MissingError(Exception):
    """What is wanted cannot be had here; the message says why."""


class Environments:
    """The peers' environments; made when asked for, if they may be."""

    def __init__(self, *, may_build: bool) -> None:
        self._may_build = may_build

    def python(self, name: str) -> str:
        """Return the Python in which what NAME.txt pins is installed.

        Raises:
            MissingError: it is not, and could not be, or was not to be.
        """
        folder = self._folder(name, PEERS / f"{name}.txt")
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            _run(sys.executable, "-m", "venv", "--clear", str(folder))
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run(*pip, "--requirement", str(PEERS / f"{name}.txt"))
            (folder / "complete").touch()
        return str(python)

    def node(self) -> tuple[str, Path]:
        """Return Node and the directory in which what package.json pins is installed.

        Raises:
            MissingError: as `python`, or there is no Node here.
        """
        pins = PEERS / "package.json"
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise MissingError("there is no node and npm on PATH")
        folder = self._folder("node", pins)
        if not (folder / "complete").exists():
            shutil.copy(pins, folder)
            quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
            _run(npm, "install", "--prefix", str(folder), *quiet)
            (folder / "complete").touch()
        return node, folder

    def parallel(self) -> str:
        """Return GNU parallel: the one on PATH, else Debian's, unpacked and not installed.

        Raises:
            MissingError: there is none, and none could be had, or was to be.
        """
        if (found := shutil.which("parallel")) is not None:
            return found
        folder = ROOT / "parallel"
        program = folder / "root" / "usr" / "bin" / "parallel"
        if not program.exists():
            if not self._may_build:
                raise MissingError("there is no parallel on PATH; `make bench` unpacks Debian's")
            apt = shutil.which("apt-get")
            if apt is None:
                raise MissingError("there is no parallel on PATH, and no apt-get to fetch it with")
            folder.mkdir(parents=True, exist_ok=True)
            _run(apt, "download", "parallel", cwd=folder)
            packages = sorted(folder.glob("parallel_*.deb"))
            _run("dpkg-deb", "--extract", str(packages[-1]), str(folder / "root"))
        return str(program)

    def _folder(self, name: str, pins: Path) -> Path:
        digest = hashlib.sha256(pins.read_bytes()).hexdigest()[:12]
        folder = ROOT / f"{name}-{digest}"
        if not (folder / "complete").exists():
            if not self._may_build:
                raise MissingError(f"{name} is not installed; `make bench` installs it")
            print(f"installing {pins.name} ...", flush=True)
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def _run(*argv: str, cwd: Path | None = None) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=LONGEST_SECONDS, cwd=cwd)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise MissingError(f"{argv[0]} failed: {said[-1] if said else error}") from error
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"{argv[0]} took more than {LONGEST_SECONDS} s") from error
