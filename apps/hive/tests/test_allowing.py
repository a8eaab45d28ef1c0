"""`--allow MODULE`: where the module is looked for, and what the workers are told."""

import sys
from pathlib import Path

import pytest

from hive.allowing import allowed
from hive.settings import Settings, load
from hive_calls.settings import DEMONSTRATION
from hive_contracts.errors import ConfigurationError
from hive_testkit.console import Console


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a module and a package, from which `hive` is typed."""
    (tmp_path / "my_module.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "my_package" / "deep").mkdir(parents=True)
    (tmp_path / "my_package" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "my_package" / "tasks.py").write_text("")
    monkeypatch.chdir(tmp_path)
    # As for `python -m hive`: the directory counts for this process alone.
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    return tmp_path


def settings(here: Path, **flags: object) -> Settings:
    return load(flags=flags, environment={"HOME": str(here)})


@pytest.mark.parametrize("module", ["my_module", "my_package", "my_package.tasks"])
def test_a_module_in_this_directory_is_allowed_and_found_there_unimported(
    here: Path, module: str
) -> None:
    found = allowed(settings(here), [module])
    assert found.calls.modules == (DEMONSTRATION, module)
    assert found.calls.path == (here,)
    assert found.for_children() == {
        "HIVE_CALLS_MODULES": f"{DEMONSTRATION},{module}",
        "HIVE_CALLS_PATH": str(here),
    }


@pytest.mark.parametrize("module", ["json.tool", "sys", "hive_calls.demonstration"])
def test_a_module_that_python_has_needs_no_directory(here: Path, module: str) -> None:
    assert allowed(settings(here), [module]).calls.path == ()


def test_a_module_in_a_directory_that_is_set_needs_no_other(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(here, **{"calls.path": str(here)})
    monkeypatch.chdir("/")
    assert allowed(given, ["my_module"]).calls.path == (here,)


def test_what_the_settings_allow_stays_allowed(here: Path) -> None:
    given = settings(here, **{"calls.modules": "json"})
    assert allowed(given, ["my_module", "json"]).calls.modules == ("json", "my_module")
    assert allowed(given, None) is given


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("absent", r"there is no module 'absent', neither .* go to the directory that holds it"),
        ("my_package.absent", "there is no module 'my_package.absent'"),
        ("my_module.absent", "there is no module 'my_module.absent'"),
        ("my_module.py", r"a module is named without .py: --allow my_module\)"),
        ("my-module", "'my-module' is not the name of a module"),
    ],
)
def test_a_module_that_is_nowhere_is_told_at_once_with_the_way_out(
    here: Path, module: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        allowed(settings(here), [module])


def test_every_place_that_was_looked_into_is_named(here: Path, tmp_path: Path) -> None:
    given = settings(here, **{"calls.path": "/elsewhere"})
    with pytest.raises(ConfigurationError, match=rf"nor in {tmp_path}, nor in calls.path \(/else"):
        allowed(given, ["absent"])


def test_a_directory_that_cannot_be_handed_on_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = here / "one,two"
    odd.mkdir()
    (odd / "odd_module.py").write_text("")
    monkeypatch.chdir(odd)
    with pytest.raises(ConfigurationError, match=r"there is a comma in '.*one,two'"):
        allowed(settings(here), ["odd_module"])


def test_a_relative_directory_in_a_file_is_relative_to_the_file(here: Path) -> None:
    (here / "hive.toml").write_text("[calls]\npath = ['lib', '/abs']\n")
    assert settings(here).calls.path == (here / "lib", Path("/abs"))


@pytest.mark.parametrize("command", ["up", "worker"])
def test_a_command_that_finds_no_such_module_ends_before_it_begins(
    no_hive: Console, command: str
) -> None:
    done = no_hive(command, "--allow", "absent")
    assert done.returncode == 2
    assert done.stderr.startswith("hive: --allow absent: there is no module 'absent', neither")
    assert not (no_hive.data_dir / "up.lock").exists()
