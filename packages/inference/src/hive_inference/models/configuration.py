"""A model's `config.json`, read field by field; what is missing or odd is refused by name."""

import json
from pathlib import Path
from typing import Any, cast

from hive_inference.errors import WeightsError

__all__ = ["Configuration"]


class Configuration:
    """One file of settings."""

    def __init__(self, path: Path) -> None:
        """Read `path`.

        Raises:
            WeightsError: it is missing, or no JSON object.
        """
        self._path = path
        try:
            said: Any = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path} cannot be read: {error}") from error
        if not isinstance(said, dict):
            raise WeightsError(f"{path} is no JSON object")
        self._said: dict[str, Any] = said

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a whole number; `default`, if there is one, stands in for a missing or null one.

        Raises:
            WeightsError: it is missing, or no whole number.
        """
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise WeightsError(f"{self._path}: {name} is {value!r}, and a whole number is needed")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number; `default` as with `integer`.

        Raises:
            WeightsError: it is missing, or no number.
        """
        value = self._value(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise WeightsError(f"{self._path}: {name} is {value!r}, and a number is needed")
        return float(value)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; `default` as with `integer`.

        Raises:
            WeightsError: it is missing, or no text.
        """
        value = self._value(name, default)
        if not isinstance(value, str):
            raise WeightsError(f"{self._path}: {name} is {value!r}, and a text is needed")
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """Return one or several whole numbers; none if it is missing or null.

        Raises:
            WeightsError: one of them is no whole number.
        """
        value = self._said.get(name)
        if value is None:
            return ()
        several = cast("list[Any]", value) if isinstance(value, list) else [value]
        if not all(isinstance(one, int) for one in several):
            raise WeightsError(f"{self._path}: {name} is {value!r}; whole numbers are needed")
        return tuple(several)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return several texts; none if they are missing or null.

        Raises:
            WeightsError: it is no list of texts.
        """
        value = self._said.get(name)
        several = [] if value is None else cast("list[Any]", value)
        if not isinstance(value, list | None) or not all(isinstance(one, str) for one in several):
            raise WeightsError(f"{self._path}: {name} is {value!r}; a list of texts is needed")
        return tuple(several)

    def refuse(self, name: str, *usual: object) -> None:
        """Refuse any other value of `name` than the usual ones, or none.

        Raises:
            WeightsError: it has another.
        """
        value = self._said.get(name)
        if value is not None and value not in usual:
            raise WeightsError(f"{self._path}: {name} is {value!r}, which is not supported")

    def _value(self, name: str, default: object) -> Any:
        value = self._said.get(name)
        if value is not None:
            return value
        if default is None:
            raise WeightsError(f"{self._path} does not say what {name} is")
        return default
