"""A backend with sessions=async: its own tests and types, and the recipes of docs/PROGRAMS.md."""

import difflib
from collections.abc import Iterator

import pytest

from tests.conftest import BACKEND, Project, assert_passed, blocks, generate_here, locked

ASYNC = BACKEND / "choices/sessions/async"


def test_what_both_kinds_have_in_common_is_the_same() -> None:
    ours, theirs = ((folder / "database.py").read_text().splitlines() for folder in (BACKEND, ASYNC))
    gone = [line[2:] for line in difflib.ndiff(ours, theirs) if line.startswith("- ")]
    assert gone == [
        "# When a relationship loads its objects: at the first access.",
        'LOADING: Final = "select"',
    ]
    for name in ("requirements.txt", "requirements-dev.txt"):
        added = locked(ASYNC / name).items() - locked(BACKEND / name).items()
        assert {package for package, _ in added} == {"greenlet"}
        assert locked(BACKEND / name).items() <= locked(ASYNC / name).items()


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A backend with the models and one revision."""
    project = generate_here(tmp_path_factory.mktemp("async"), sessions="async", history="baseline")
    project.install()
    yield project
    project.remove_server()


@pytest.mark.slow
def test_its_tests_and_types_are_green(backend: Project) -> None:
    assert '"sqlalchemy[asyncio]>=2.1,<2.2"' in backend.read("pyproject.toml")
    assert_passed(backend.run("pytest -q tests/test_async.py tests/test_orm.py tests/test_models.py"))
    backend.run("ruff check . && ruff format --check . && mypy .")


@pytest.mark.slow
def test_a_lazy_load_is_found(backend: Project) -> None:
    path = backend / "models/audit.py"
    text = path.read_text()
    path.write_text(
        text.replace(
            "from sqlalchemy.orm import Mapped, mapped_column",
            "from sqlalchemy.orm import Mapped, mapped_column, relationship",
        )
        + '\n    user: Mapped["User | None"] = relationship()\n'
    )
    try:
        with pytest.raises(AssertionError, match=r"AuditLog\.user"):
            backend.run("pytest -q tests/test_async.py -k relationship")
    finally:
        path.write_text(text)


@pytest.mark.slow
def test_the_recipes_for_an_application_and_its_tests_work(backend: Project) -> None:
    recipes = blocks(backend / "docs/PROGRAMS.md", "python")
    [application] = [each for each in recipes if "from fastapi import" in each]
    [tests] = [each for each in recipes if "from httpx import" in each]
    [migrated] = [each for each in recipes if "def migrated(" in each]
    folder = backend / "recipes"
    folder.mkdir()
    (folder / "app.py").write_text(application)
    (folder / "conftest.py").write_text(migrated)
    commits = """

@pytest.mark.anyio
@pytest.mark.parametrize("time", [1, 2])
async def test_what_a_test_does_is_gone(awaited: AsyncSession, time: int) -> None:
    assert await awaited.scalar(text("SELECT to_regclass('t')")) is None
    await awaited.execute(text("CREATE TABLE t ()"))
    await awaited.commit()
"""
    (folder / "test_app.py").write_text(f"from sqlalchemy import text\n{tests}{commits}")
    # The application itself, from its start to its end, on the database that is configured.
    (folder / "start.py").write_text(
        "import asyncio\nfrom app import app, lifespan\n"
        "async def main():\n    async with lifespan(app):\n        print('started')\n"
        "asyncio.run(main())\n"
    )
    assert "3 passed" in backend.run("PYTHONPATH=.:recipes pytest -q recipes")
    backend.run("alembic upgrade head")
    assert "started" in backend.run("PYTHONPATH=.:recipes python recipes/start.py")
    down = "DATABASE_URL=postgresql://a:b@127.0.0.1:1/x PYTHONPATH=.:recipes"
    with pytest.raises(AssertionError, match="OperationalError"):
        backend.run(f"{down} python recipes/start.py")
