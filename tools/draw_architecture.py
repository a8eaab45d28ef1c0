"""Write docs/architecture.md from the import contract and the modules' first lines (`make docs`).

The way of a task is a list kept here; what each file of it does is the first line of its docstring.
A file that does not exist, or a package that the page leaves out, fails.
"""

import ast
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "architecture.md"

WAY = {
    "Submit": [
        "packages/client/src/hive_client/hive.py",
        "packages/client/src/hive_client/submitter.py",
        "packages/store/src/hive_store/task_store.py",
        "packages/store/src/hive_store/submitting.py",
        "packages/store/src/hive_store/sql/submit_tasks.sql",
        "packages/store/src/hive_store/doorbell.py",
    ],
    "Claim": [
        "packages/queen/src/hive_queen/claimers.py",
        "packages/queen/src/hive_queen/claimer.py",
        "packages/queen/src/hive_queen/pacing.py",
        "packages/queen/src/hive_queen/permits.py",
        "packages/store/src/hive_store/claiming.py",
        "packages/store/src/hive_store/sql/claim_tasks.sql",
    ],
    "Send": [
        "packages/queen/src/hive_queen/outbox.py",
        "packages/contracts/src/hive_contracts/bundles.py",
        "packages/dispatch/src/hive_dispatch/sender.py",
        "packages/dispatch/src/hive_dispatch/bell_worker.py",
        "packages/dispatch/src/hive_dispatch/receiver.py",
    ],
    "Accept": [
        "packages/worker/src/hive_worker/acceptor.py",
        "packages/store/src/hive_store/sql/accept_leases.sql",
        "packages/store/src/hive_store/sql/read_leased_tasks.sql",
        "packages/worker/src/hive_worker/slots.py",
    ],
    "Run": [
        "packages/worker/src/hive_worker/runner.py",
        "packages/worker/src/hive_worker/executors.py",
        "packages/process/src/hive_process/command.py",
        "packages/process/src/hive_process/spawner.py",
        "packages/process/src/hive_process/guardian.py",
        "packages/calls/src/hive_calls/executor.py",
        "packages/store/src/hive_store/sql/start_tasks.sql",
    ],
    "Record": [
        "packages/worker/src/hive_worker/recorder.py",
        "packages/store/src/hive_store/sql/finish_tasks.sql",
        "packages/store/src/hive_store/sql/succeed_tasks.sql",
        "packages/worker/src/hive_worker/report.py",
        "packages/bus/src/hive_bus/bus.py",
    ],
    "Give the permits back": [
        "packages/queen/src/hive_queen/hints.py",
        "packages/queen/src/hive_queen/reconciler.py",
    ],
    "When a worker is gone": [
        "packages/worker/src/hive_worker/heartbeat.py",
        "packages/worker/src/hive_worker/proof.py",
        "packages/queen/src/hive_queen/reaper.py",
        "packages/store/src/hive_store/sql/reap_leases.sql",
    ],
}

HEAD = """\
# Architecture

Drawn from the import contract and the files' own first lines by `make docs`.

Imports point down, and siblings are blind to one another; `make layers` enforces it.

"""


def page() -> str:
    """Return the page, as Markdown."""
    return "\n".join([HEAD + _layers(), *_way(), *_rest()]) + "\n"


def _layers() -> str:
    config: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    layers: list[str] = next(c for c in contracts if c["type"] == "layers")["layers"]
    return "```\n" + "\n    ↓\n".join(layers) + "\n```\n"


def _way() -> list[str]:
    lines = [
        "## The way of a task",
        "",
        "In this order the files read; the drawing is in [protocol.md](protocol.md).",
        "",
    ]
    for step, files in WAY.items():
        lines += [f"**{step}**", ""]
        lines += [f"- [{Path(name).name}](../{name}): {_first_line(ROOT / name)}" for name in files]
        lines.append("")
    return lines


def _rest() -> list[str]:
    named = {ROOT / name for files in WAY.values() for name in files}
    lines = ["## Everything else", ""]
    for member in sorted([*ROOT.glob("apps/*/src/*"), *ROOT.glob("packages/*/src/*")]):
        files = [f for f in sorted(member.rglob("*.py")) if f not in named]
        modules = [f for f in files if f.name != "__init__.py"]
        lines += [f"### {member.name}", "", _first_line(member / "__init__.py"), ""]
        lines += [f"- `{f.relative_to(member)}`: {_first_line(f)}" for f in modules]
        lines.append("")
    return lines[:-1]


def _first_line(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".sql":
        return text.splitlines()[0].removeprefix("-- ")
    docstring = ast.get_docstring(ast.parse(text))
    if not docstring:
        raise ValueError(f"{file} does not say what it is")
    return docstring.splitlines()[0]


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
