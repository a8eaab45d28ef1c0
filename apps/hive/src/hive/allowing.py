"""What `--allow MODULE` means: `call` tasks may call the module's functions, and workers find it.

A module that the workers' Python does not have is looked for in the directory in which the option
was typed. If it is there, the directory joins `calls.path`. Nothing is imported to find out: that
is for the children that run the functions.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hive.settings import Settings
from hive.sources import COMMAND_LINE, Given
from hive_contracts.errors import ConfigurationError

__all__ = ["allowed"]


def allowed(settings: Settings, modules: Sequence[str] | None) -> Settings:
    """Return `settings` with `modules` among those whose functions may be called.

    Raises:
        ConfigurationError: a name is none of a module, or there is no such module here.
    """
    if not modules:
        return settings
    names = tuple(dict.fromkeys([*settings.calls.modules, *modules]))
    calls = replace(settings.calls, modules=names)
    here = Path.cwd()
    # Found by this process alone: workers are started without the directory they are started in.
    python_path = [entry for entry in sys.path if entry and Path(entry) != here]
    for module in modules:
        known = [*python_path, *map(str, calls.path)]
        if not _is_found(module, known):
            if not _is_found(module, [str(here)]):
                raise _absent(module, here, calls.path)
            calls = replace(calls, path=(*calls.path, here))
    given = {
        "calls.modules": _given("calls.modules", names),
        "calls.path": _given("calls.path", tuple(map(str, calls.path))),
    }
    return replace(settings, calls=calls, given={**settings.given, **given})


def _is_found(module: str, directories: Sequence[str]) -> bool:
    """Return whether `module` can be imported from `directories`, or from no directory at all."""
    search: Sequence[str] | None = directories
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        if search is None:
            return False
        name = ".".join(parts[:depth])
        specs = (finder.find_spec(name, search) for finder in sys.meta_path)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is None:
            return False
        search = spec.submodule_search_locations
    return True


def _absent(module: str, here: Path, path: Sequence[Path]) -> ConfigurationError:
    name = module.removesuffix(".py")
    hint = f" (a module is named without .py: --allow {name})" if name != module else ""
    places = f", nor in calls.path ({', '.join(map(str, path))})" if path else ""
    return ConfigurationError(
        f"--allow {module}: there is no module {module!r}{hint}, neither among those that are"
        f" installed nor in {here}{places}; go to the directory that holds it, or name that with"
        " --set calls.path=DIRECTORY"
    )


def _given(key: str, values: tuple[str, ...]) -> Given:
    for value in values:
        if "," in value:
            raise ConfigurationError(
                f"{key} cannot be handed on to workers: there is a comma in {value!r}"
            )
    return Given(
        key=key, value=",".join(values), origin=COMMAND_LINE, is_text=True, folder=Path.cwd()
    )
