"""The workspace is what its contracts say."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def import_contracts() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]


def members() -> set[str]:
    return {
        path.parent.name
        for group in ("apps", "packages")
        for path in ROOT.glob(f"{group}/*/src/*/__init__.py")
    }


def test_every_member_is_under_contract() -> None:
    assert members() == set(import_contracts()["root_packages"])


def test_every_member_has_a_layer_except_the_test_kit() -> None:
    layers = next(c for c in import_contracts()["contracts"] if c["type"] == "layers")["layers"]
    placed = {name.strip() for layer in layers for name in layer.split("|")}
    assert placed == members() - {"hive_testkit"}


def test_every_member_is_named_after_its_folder() -> None:
    for project in ROOT.glob("packages/*/pyproject.toml"):
        role = project.parent.name
        assert tomllib.loads(project.read_text("utf-8"))["project"]["name"] == f"hive-{role}"
        assert (project.parent / "src" / f"hive_{role}" / "py.typed").is_file()


def test_every_member_declares_the_members_that_it_imports() -> None:
    for project in ROOT.glob("*/*/pyproject.toml"):
        declared = set(tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"])
        own = next((project.parent / "src").iterdir()).name
        for source in (project.parent / "src").rglob("*.py"):
            for imported in _imported_members(source.read_text("utf-8")) - {own}:
                assert imported.replace("_", "-") in declared, f"{source} imports {imported}"


def _imported_members(source: str) -> set[str]:
    lines = (line.split() for line in source.splitlines())
    modules = {words[1].partition(".")[0] for words in lines if words[:1] in (["from"], ["import"])}
    return {module for module in modules if module.startswith("hive_")}
