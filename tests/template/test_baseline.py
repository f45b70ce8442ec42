"""The one revision that stands for the chain: it builds the same but for LESS, and is up to date."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import BACKEND, TEMPLATE, Project

FOLDER = BACKEND / "choices/history/baseline/alembic/versions"

# Run in a backend: take a database up by the revisions of a folder, or up, down and up, and
# print what it holds then.
BUILD = """
import json, sys
from alembic import command
from sqlalchemy import NullPool, text
from database import make_engine
from postgres import client
from migrate.chain import project_config
from postgres.schema import WITHOUT_BOOKS, schema
from migrate.target import scratch_server
from postgres.scratch import scratch_database

lab, folder, *steps = sys.argv[1:]
sys.path.append(lab)
from make_baseline import LESS

configuration = project_config()
configuration.set_main_option("version_locations", folder)
found = []
with scratch_database(scratch_server()) as url:
    configuration.attributes["connection"] = make_engine(url, poolclass=NullPool)
    for step in steps:
        if step == "up":
            command.upgrade(configuration, "head")
        if step == "down":
            command.downgrade(configuration, "base")
        if step == "less":
            with configuration.attributes["connection"].begin() as connection:
                connection.execute(text(LESS))
        # The positions of sequences are among the rows.
        rows = client.output("pg_dump", url, "--data-only", "--inserts", *WITHOUT_BOOKS)
        wanted = ("INSERT", "SELECT pg_catalog.setval(")
        found.append([schema(url), [line for line in rows.splitlines() if line.startswith(wanted)]])
    if steps[-1] in ("up", "less"):
        command.check(configuration)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def backend(default: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A backend with the chain, and the baseline beside it; it runs on what these tests run on."""
    project = Project(tmp_path_factory.mktemp("baseline") / "backend")
    shutil.copytree(default, project, ignore=shutil.ignore_patterns("baseline"))
    shutil.copytree(FOLDER, project / "baseline", ignore=shutil.ignore_patterns("__pycache__"))
    (project / "build.py").write_text(BUILD)
    project.install()
    yield project
    project.remove_server()


def build(backend: Project, folder: str, *steps: str) -> list[Any]:
    """Return the schema and the rows after each step."""
    printed = backend.run(
        f"python build.py '{TEMPLATE}/lab' {folder} {' '.join(steps)}", PYTHONPATH=str(backend.folder)
    )
    found: list[Any] = json.loads(printed.splitlines()[-1])
    # PostgreSQL 18 names each NOT NULL, after a table and a column that are called so no more.
    names = re.compile(r" CONSTRAINT \w+_not_null(?= NOT NULL\b)")
    return [[names.sub("", schema), rows] for schema, rows in found]


def test_it_builds_what_the_chain_builds_and_the_models_say(backend: Project) -> None:
    _, chain = build(backend, "alembic/versions", "up", "less")
    [baseline] = build(backend, "baseline", "up")
    assert baseline == chain
    schema, rows = baseline
    assert "CREATE TABLE public.webhook_deliveries_default" in schema
    assert "INSERT INTO public.roles VALUES (3, 'reviewer');" in rows


@pytest.mark.slow
def test_it_goes_down_to_nothing_and_up_again(backend: Project) -> None:
    up, down, again = build(backend, "baseline", "up", "down", "up")
    assert again == up
    [nothing] = build(backend, "baseline", "none")
    assert down == nothing
    assert "CREATE" not in down[0]


def test_it_is_what_make_baseline_would_write(backend: Project) -> None:
    [path] = FOLDER.glob("*.py")
    printed = backend.run(
        f"python '{TEMPLATE}/lab/make_baseline.py' 2> /dev/null", PYTHONPATH=str(backend.folder)
    )
    assert printed == path.read_text(encoding="utf-8"), "make baseline"


def test_its_readme_lists_it(backend: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "backend")
    shutil.copytree(backend, project, ignore=shutil.ignore_patterns("versions", ".postgres*", ".venv"))
    project.install()
    shutil.copytree(FOLDER, project / "alembic/versions")
    project.run("python -m migrate index")
    written = project.read("alembic/versions/README.md")
    assert written == (FOLDER / "README.md").read_text(encoding="utf-8"), "make baseline"
