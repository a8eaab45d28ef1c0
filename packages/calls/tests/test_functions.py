"""Which functions may be had by name."""

import sys
from pathlib import Path

import pytest

from hive_calls.functions import UncallableError, find, is_async, is_module_allowed

FUNCTIONS = Path(__file__).parent / "functions"
ALLOWED = ("sample_functions",)


@pytest.fixture(autouse=True)
def sample_functions_can_be_imported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.path", [*sys.path, str(FUNCTIONS)])


@pytest.mark.parametrize(
    ("module", "is_allowed"),
    [
        ("one", True),
        ("one.two", True),
        ("one.two.three", True),
        ("one_more", False),
        ("two", False),
        ("other", False),
        ("other.part", True),
    ],
)
def test_a_listed_module_allows_what_is_below_it(module: str, is_allowed: bool):
    assert is_module_allowed(module, ("one", "other.part")) is is_allowed


@pytest.mark.parametrize(
    ("function", "is_async_function"),
    [("add", False), ("Tool.double", False), ("greet", True), ("greeter", True)],
)
def test_async_functions_are_told_from_others(function: str, is_async_function: bool):
    assert is_async(find(f"sample_functions:{function}", ALLOWED)) is is_async_function


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("sample_functions:absent", "has no 'absent'"),
        ("sample_functions:Tool.absent", "has no 'Tool.absent'"),
        ("sample_functions:add.name", "sample_functions:add is not a class"),
        ("sample_functions:tool", "is not a function: it is of type Tool"),
        ("sample_functions.absent:f", "there is no module 'sample_functions.absent'"),
    ],
)
def test_what_is_not_there_is_named(path: str, message: str):
    with pytest.raises(UncallableError, match=message) as raised:
        find(path, ALLOWED)
    assert not raised.value.is_retryable


@pytest.mark.parametrize(
    "name",
    [
        "imported_run",
        "getcwd",
        "os.system",
        "Path.unlink",
        "partial_of_foreign",
        "not_a_function",
        "Tool.mro",
        "Tool.__subclasses__",
        "Tool.__class__",
        "add.__globals__",
    ],
)
def test_an_allowed_module_does_not_hand_out_what_it_imported(name: str):
    with pytest.raises(UncallableError):
        find(f"sample_functions:{name}", ALLOWED)


def test_what_an_allowed_module_took_from_another_allowed_one_may_be_called():
    assert find("sample_functions:getcwd", ("sample_functions", "posix"))() == str(Path.cwd())


@pytest.mark.parametrize(
    "path",
    [
        "sample_functions_too:add",
        "sample_functions .os:system",
        " sample_functions:add",
        "sample_functions\n:add",
        ".sample_functions:add",
        "..os:system",
        "os:system",
        "builtins:eval",
        "importlib:import_module",
        "hive_calls.functions:find",
        "sample_functions/../os:system",
    ],
)
def test_a_name_that_only_looks_like_an_allowed_module_is_none(path: str):
    with pytest.raises(UncallableError):
        find(path, ALLOWED)


@pytest.mark.parametrize(
    "names",
    [
        "Tool.double.__globals__",
        "Tool.__init_subclass__",
        "Tool.__dict__.get",
        "Tool.__base__.__subclasses__",
        "__builtins__.eval",
        "__loader__.load_module",
        "__spec__.loader.exec_module",
        "__getattribute__",
        "add.__class__",
        "add.__call__",
        "add..name",
        ".add",
        "",
        "os",
        "os.path.join",
        "sys.modules",
        "imported_run.__globals__",
    ],
)
def test_no_chain_of_attributes_leads_out_of_an_allowed_module(names: str):
    with pytest.raises(UncallableError):
        find(f"sample_functions:{names}", ALLOWED)


def test_an_allowed_package_does_not_allow_its_namesake_beside_it():
    assert not is_module_allowed("sample_functionsx", ALLOWED)
    assert not is_module_allowed("", ALLOWED)
    assert not is_module_allowed("sample", ALLOWED)
