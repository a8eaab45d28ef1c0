"""What the inference was measured on."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

__all__ = ["describe"]


def describe() -> dict[str, str]:
    """Return the processors, the memory, the system and the versions."""
    return {
        "processors": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": sys.version.split()[0],
        "numpy": version("numpy"),
        "torch": _pinned("torch"),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    said = dict(line.split(":", 1) for line in lines if ":" in line)
    found = {name.strip(): value.strip() for name, value in said.items()}
    widest = "AVX-512" if "avx512f" in found.get("flags", "") else "no AVX-512"
    return f"{found.get('model name', platform.machine())} with {widest}"


def _pinned(name: str) -> str:
    pins = Path(__file__).parents[1] / "peers" / f"{name}.txt"
    lines = dict(line.split("==") for line in pins.read_text("utf-8").splitlines())
    return lines[name]
