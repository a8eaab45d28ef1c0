"""Write docs/configuration.md from the classes of the settings (`make docs`).

A setting's meaning is the sentence under its field, so it is read from the source.
"""

import ast
import inspect
import textwrap
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from hive.reading import describe
from hive.settings import SECTIONS, setting_types
from hive.sources import environment_name

TARGET = Path(__file__).parents[1] / "docs" / "configuration.md"

HEAD = """\
# Configuration

Drawn from the settings' classes by `make docs`.

Every setting has a default; Hive runs without any configuration. A setting can be given, from the
strongest source to the weakest, by

1. a flag: `--set worker.slots=8` on any command, or `--data-dir`, `--database-url`, `--redis-url`;
2. the environment: `HIVE_WORKER_SLOTS=8` (an empty variable counts as absent);
3. the project's `hive.toml`, in the working directory or the nearest one above it, or the file
   that `--config` or `HIVE_CONFIG` names;
4. the user's `hive.toml`, in `$XDG_CONFIG_HOME/hive`, which is `~/.config/hive` by default.

In a file a section is a table, and a relative path is relative to the file:

```toml
[worker]
slots = 8
queues = ["default", "builds"]
```

An unknown name in a file or a flag is refused; an unknown `HIVE_` variable is warned of. In flags
and in the environment a list is written with commas. Passwords belong into a file or into the
environment: other users can read flags.
"""

DEFAULTS = {"services.data_dir": "`$XDG_STATE_HOME/hive`, or `~/.local/state/hive`"}
"""Defaults that depend on who runs Hive."""


def page() -> str:
    """Return the page, as Markdown."""
    return HEAD + "".join(_section(name, declared) for name, declared in SECTIONS.items())


def _section(section: str, declared: type) -> str:
    types = setting_types()
    meanings = _meanings(declared)
    rows = [
        f"| `{key}` | {describe(types[key])} | {_default(key, field)} |"
        f" `{environment_name(key)}` | {meanings[field.name]} |"
        for field in fields(declared)
        if (key := f"{section}.{field.name}")
    ]
    head = f"\n## [{section}]\n\n{inspect.getdoc(declared)}\n\n"
    table = "| setting | value | default | environment | what it means |\n" + "| --- " * 5 + "|\n"
    return head + table + "\n".join(rows) + "\n"


def _meanings(declared: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(declared)))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    return {
        target.id: " ".join(text.split())
        for field, note in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(target := field.target, ast.Name)
        and isinstance(note, ast.Expr)
        and isinstance(note.value, ast.Constant)
        and isinstance(text := note.value.value, str)
    }


def _default(key: str, field: "Field[Any]") -> str:
    if key in DEFAULTS:
        return DEFAULTS[key]
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return " ".join(f"`{part}`" for part in cast("tuple[str, ...]", value)) or "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
