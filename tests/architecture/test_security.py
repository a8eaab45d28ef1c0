"""What no code of Hive does: load code from data, or build statements of words."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import arq.worker
import pytest

from hive_dispatch import bell_worker, sender
from hive_store.statements import names, statement

ROOT = Path(__file__).parents[2]

SOURCES: Final = sorted(
    path for group in ("apps", "packages") for path in ROOT.glob(f"{group}/*/src/**/*.py")
)

LOADERS: Final = {
    "pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml",
    "dbm", "xmlrpc", "code", "codeop",
}  # fmt: skip
RUNNERS: Final = {"eval", "exec", "compile", "__import__"}
SHELLS: Final = {
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
}  # fmt: skip

COMPILERS: Final = {
    "apps/hive/src/hive/demonstration/digest.py": "counts what source compiles to, and runs none",
}
"""The places that compile source text, and why."""

IMPORTERS: Final = {
    "apps/hive/src/hive/porting/places.py": "a standard module that not every Python has",
    "apps/hive/src/hive/testing/__init__.py": "names of the package, on first use",
    "packages/calls/src/hive_calls/functions.py": "functions of tasks, from allowed modules",
    "packages/contracts/src/hive_contracts/deferring.py": "what Hive does not use",
    "packages/inference/src/hive_inference/tokenizer.py": "an extra, where it is used",
    "packages/sealing/src/hive_sealing/__init__.py": "names of the package, on first use",
    "packages/store/src/hive_store/__init__.py": "names of the package, on first use",
}
"""The places that import a module by a name that is only known when they run."""

SENDERS: Final = {
    "execute", "fetch", "fetchval", "fetchrow", "executemany", "prepare", "cursor",
    "copy_from_query",
}  # fmt: skip

BUILT: Final = {
    "copies.py": "names of databases that it made",
    "backing_up.py": "names of tables and columns, from the catalog, quoted",
    "restoring.py": "days, which are dates",
    "timing.py": "of the test kit: names from its own table",
    "roles.py": "of the test kit: names of roles that it made",
}
"""The files in which a statement is put together, and of what."""


def where(path: Path) -> str:
    return str(path.relative_to(ROOT))


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imported(path: Path) -> set[str]:
    found = set[str]()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def called(path: Path) -> set[str]:
    """Return what is called by a bare name."""
    return {
        node.func.id
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def called_attributes(path: Path) -> set[str]:
    return {
        node.func.attr
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 200


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path: Path) -> None:
    assert imported(path) & LOADERS == set()
    assert called(path) & RUNNERS == ({"compile"} if where(path) in COMPILERS else set())
    dotted = {ast.unparse(node.func) for node in nodes(path) if isinstance(node, ast.Call)}
    assert dotted & SHELLS == set()
    shells = [
        word.arg
        for node in nodes(path)
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "shell" and isinstance(word.value, ast.Constant) and word.value.value is True
    ]
    assert shells == []


def test_modules_are_imported_by_name_in_these_places_alone() -> None:
    found = {
        where(path)
        for path in SOURCES
        if {"import_module", "__import__"} & (called(path) | called_attributes(path))
    }
    assert found == IMPORTERS.keys()


@pytest.mark.parametrize("path", SOURCES, ids=where)
def test_no_statement_is_built_of_words(path: Path) -> None:
    built = [
        ast.unparse(node)
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in SENDERS
        and node.args
        and is_built(node.args[0])
    ]
    assert built == [] or path.name in BUILT


def is_built(text: ast.expr) -> bool:
    """Return whether an argument is put together where it stands."""
    match text:
        case ast.JoinedStr(values=parts):
            return any(isinstance(part, ast.FormattedValue) for part in parts)
        case ast.BinOp():
            return True
        case ast.Call(func=ast.Attribute(attr="format" | "join" | "replace")):
            return True
        case _:
            return False


@pytest.mark.parametrize("name", names())
def test_no_statement_runs_text_that_it_is_given(name: str) -> None:
    body = "\n".join(line for line in statement(name).splitlines() if line[:2] != "--").lower()
    for word in ("execute ", "query_to_xml", "dblink", "pg_read_file", "copy ", "lo_import"):
        assert word not in body


def test_arq_which_would_unpickle_never_comes_to_read_a_job() -> None:
    """Its own `run_job` and `enqueue_job` are what would load and dump pickles."""
    assert "start_jobs" in vars(bell_worker.BellWorker)
    assert "run_job" in vars(arq.worker.Worker)
    for module in (bell_worker, sender):
        source = Path(str(module.__file__)).read_text("utf-8")
        for name in ("run_job", "enqueue_job", "deserialize", "serialize_job"):
            code = [word for word in ast.walk(ast.parse(source)) if isinstance(word, ast.Attribute)]
            assert name not in {word.attr for word in code}
