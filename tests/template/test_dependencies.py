"""What is imported is declared, what is declared is used, and both layers lock the same."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

from tests.conftest import BACKEND, TEMPLATE, locked

# What only development asks for, imported where it is asked for.
DEVELOPMENT = ("embedded.py",)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(layer: Path, *, development: bool) -> set[str]:
    """Return the names of a layer's dependencies, without their stubs."""
    settings = tomllib.loads((layer / "pyproject.toml").read_text(encoding="utf-8"))
    lines = settings["project"]["dependencies"]
    if development:
        lines = lines + settings["dependency-groups"]["dev"]
    return {normal(re.split(r"[\[<>=]", line)[0]) for line in lines if not line.startswith("types-")}


def imported(files: Iterable[Path]) -> set[str]:
    """Return the distributions that some Python files import."""
    modules = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split(".")[0])
    ours = {"database", "hooks", "lab", "migrate", "models", "postgres", "tests"}
    known = packages_distributions()
    return {normal(known[module][0]) for module in modules - ours - sys.stdlib_module_names}


def sources(layer: Path) -> list[Path]:
    if layer == TEMPLATE:
        return [path for folder in ("hooks", "lab", "tests") for path in (layer / folder).rglob("*.py")]
    return list(layer.rglob("*.py"))


def named(layer: Path, distributions: Iterable[str]) -> set[str]:
    """Return the distributions that a layer runs, in its Makefile or from Python, by a name of theirs."""
    constants = (
        node.value
        for path in sources(layer)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    text = "\n".join([(layer / "Makefile").read_text(), *constants])
    return {
        name for name in distributions if re.search(rf"(?<![\w-])({'|'.join(names(name))})(?![\w-])", text)
    }


def names(name: str) -> set[str]:
    """Return the modules and the commands of a distribution."""
    files = distribution(name).files or []
    modules = {module for module, owners in packages_distributions().items() if name in map(normal, owners)}
    return modules | {path.stem for path in files if path.parent.name in ("bin", "Scripts")}


@pytest.mark.parametrize("layer", [TEMPLATE, BACKEND], ids=["template", "backend"])
def test_what_is_imported_is_declared_and_what_is_declared_is_used(layer: Path) -> None:
    own, used = declared(layer, development=True), imported(sources(layer))
    # The template's tests have what the backend's have, and its hooks what Cookiecutter brings.
    inherited = declared(BACKEND, development=True) | {"jinja2"} if layer == TEMPLATE else set()
    assert used <= own | inherited, "imported, but not declared"
    idle = own - used - {"pytest-xdist"}  # pytest's --numprocesses
    assert idle == named(layer, idle), "declared, but not used"


def test_production_imports_only_what_it_installs() -> None:
    production = [
        path for path in sources(BACKEND) if "tests" not in path.parts and path.name not in DEVELOPMENT
    ]
    assert imported(production) == declared(BACKEND, development=False)


def test_every_range_has_an_end_and_every_dependency_its_reason() -> None:
    for layer in (TEMPLATE, BACKEND):
        text = (layer / "pyproject.toml").read_text(encoding="utf-8")
        lines = re.findall(r'^ +"([\w-]+)(?:\[\w+\])?([<>=][^"]*)",(.*)$', text, re.M)
        assert len(lines) >= 8
        for name, limits, reason in lines:
            assert re.fullmatch(r">=[\d.]+,<[\d.]+", limits), name
            assert reason.startswith("  # "), f"{name}: why?"


@pytest.mark.parametrize("path", [*TEMPLATE.glob("requirements*.txt"), *BACKEND.glob("requirements*.txt")])
def test_a_locked_file_has_hashes_and_names_no_registry(path: Path) -> None:
    text = path.read_text()
    entries = re.split(r"\n(?=\S)", text.split("\n", 2)[2].rstrip())
    assert len(entries) == len(locked(path))
    for entry in entries:
        assert "--hash=sha256:" in entry, entry
    assert "://" not in text


def test_what_is_declared_is_locked_in_the_same_version_everywhere() -> None:
    ours = locked(TEMPLATE / "requirements.txt")
    development = locked(BACKEND / "requirements-dev.txt")
    production = locked(BACKEND / "requirements.txt")
    assert production.items() <= development.items() <= ours.items()
    assert declared(BACKEND, development=False) <= production.keys()
    assert declared(BACKEND, development=True) <= development.keys()
    assert declared(TEMPLATE, development=True) <= ours.keys()
