"""The backend's rooms: who imports whom, and what is asked of Alembic's private names."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import BACKEND

# From the ground floor up: a module imports its own room, and those below it.
FLOORS = ["postgres", "database", "models", "migrate"]
# What stands alone, so that it can be copied into another project, and what it may import of this one.
ALONE = {"migrate/run": ("migrate.run", "migrate.alembic_internals"), "migrate/alembic_internals.py": ()}

# What Alembic keeps to itself: `something._private`, on anything but the module's own objects.
# SQLAlchemy's `row._mapping` is public: the columns' names are the row's other attributes.
PRIVATE = re.compile(r"(?<!\bself)(?<!\bcls)(?<!\bos)(?<!\bsys)\._(?!mapping\b)[a-z]\w*")


def sources(name: str) -> Iterator[Path]:
    path = BACKEND / name
    found = [path.with_suffix(".py")] if path.with_suffix(".py").exists() else sorted(path.rglob("*.py"))
    assert found, name
    yield from found


def imported(path: Path) -> set[str]:
    """Return the modules of the project that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {module for module in found if module.split(".")[0] in FLOORS}


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(BACKEND)} imports {module}"
        for height, floor in enumerate(FLOORS)
        for path in sources(floor)
        for module in sorted(imported(path))
        if FLOORS.index(module.split(".")[0]) > height
    ]
    assert wrong == []


def test_what_stands_alone_imports_nothing_else_of_the_project() -> None:
    wrong = [
        f"{path.relative_to(BACKEND)} imports {module}"
        for name, allowed in ALONE.items()
        for path in sources(name)
        for module in sorted(imported(path))
        if not module.startswith(allowed or ("nothing",))
    ]
    assert wrong == []


def test_no_revision_imports_the_project() -> None:
    revisions = sorted(path for path in BACKEND.rglob("*.py") if path.parent.name == "versions")
    assert len(revisions) > 100
    assert [path.name for path in revisions if imported(path)] == []


def test_private_names_of_alembic_have_one_home() -> None:
    wrong = [
        f"{path.relative_to(BACKEND)}: {line.strip()}"
        for path in sources("migrate")
        if path.name != "alembic_internals.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if PRIVATE.search(line.split("#")[0]) and "self._" not in line and '"""' not in line
    ]
    assert wrong == []


@pytest.mark.parametrize("target", ["py312", "py313"])
def test_its_linter_has_nothing_to_say_for_a_later_python(target: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", f"--target-version={target}", BACKEND],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
