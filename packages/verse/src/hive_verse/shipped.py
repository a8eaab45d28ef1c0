"""The model that ships with this package: where it is, and what it is called."""

from pathlib import Path
from typing import Final

__all__ = ["MODEL", "model_folder"]

MODEL: Final = "verse"
"""Its name among installed models."""


def model_folder() -> Path:
    """Return the folder of its weights, its configuration and its card."""
    return Path(__file__).parent / "model"
