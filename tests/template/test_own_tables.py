"""The backend's README, command by command, on tables that are not the sample's."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.conftest import Project, assert_passed, blocks, commands, generate_here

pytestmark = pytest.mark.slow


@pytest.fixture(params=["empty", "baseline"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """A backend without a table, and one that keeps the example beside its own tables."""
    project = generate_here(tmp_path, history=request.param, containers="no")
    project.install()
    yield project
    project.remove_server()


def test_from_the_first_model_to_a_squash(project: Project) -> None:
    readme = project / "README.md"
    # The last one is run by test_cruft.py, and the one before the first revision by the test below.
    start, use, *leave, revise, run, predict, deploy, rollback, squash, _update = commands(readme)
    models, imports, sample = blocks(readme, "python")
    before = len(project.revisions())
    assert len(leave) == before

    assert_passed(project.run(start))
    project.run(use)

    (project / "models/apiary.py").write_text(models)
    add_imports(project / "models/__init__.py", imports)
    project.run(revise)
    fill_in(project, "create_hives")
    describe(project / "models/sample.py", sample)
    printed = project.run(run)
    assert "No new upgrade operations detected" in printed
    assert_passed(printed)
    assert "create_hives" in project.read("alembic/versions/README.md")
    assert project.run("python -m migrate psql -Atc 'SELECT min(name) FROM hives'") == "Hive 1\n"

    production = roles_and_a_database(project)
    assert "deploy succeeded" in project.run(deploy, **production)
    project.run("psql --file=docs/roles.sql", **production)
    snapshot, prediction = predict.splitlines()
    project.run(snapshot, **production)
    assert "rollback succeeded" in project.run(rollback, **production)
    for script in (project / "backups").glob("*.sql"):
        assert "CREATE TABLE hives" in script.read_text()
    assert len(list((project / "backups").glob("*.dump"))) == 2

    # A change.
    model = project / "models/apiary.py"
    model.write_text(model.read_text().replace("    name:", "    colour: Mapped[str | None]\n    name:"))
    project.run("alembic revision --autogenerate -m add_hive_colour\nmake ledger")
    fill_in(project, "add_hive_colour")
    assert_passed(project.run(run))
    assert "add_hive_colour" in project.run(prediction)
    assert "deploy succeeded" in project.run(deploy, **production)
    [changed] = (project / "alembic/versions").glob("*_add_hive_colour.py")
    assert "hives AccessExclusiveLock" in changed.read_text()
    # It has no git: the files are put aside.
    assert f"takes the place of {before + 2} files" in project.run(squash)
    assert len(project.revisions()) == 1
    assert len(list(project.folder.glob("alembic/versions_squashed/*.py"))) == before + 2


def add_imports(path: Path, imports: str) -> None:
    """Import in models/__init__.py what the README says, beside what is there."""
    added, names = imports.split("\n\n")
    text = path.read_text()
    documented = text.split("\n\n")[0]
    lines = [added, *re.findall(r"^from .*$", text, re.M)]
    exported = sorted(re.findall(r'"(\w+)",?', names) + re.findall(r'^ +"(\w+)",$', text, re.M))
    listed = "".join(f'    "{name}",\n' for name in exported)
    path.write_text(f"{documented.strip()}\n\n{chr(10).join(lines)}\n\n__all__ = [\n{listed}]\n")


def fill_in(project: Project, slug: str) -> None:
    """Answer what `make ledger` leaves for a person to say in the docstring of a revision."""
    [path] = (project / "alembic/versions").glob(f"*_{slug}.py")
    text = path.read_text()
    assert "REVIEW" not in text
    assert re.search(r"^Locks: \w", text, re.M)
    assert re.findall(r"^(.*): \?", text, re.M) == ["Scenario", "Instead of", "Deploy"]
    text = re.sub(r"^Scenario: .*$", "Scenario: count the honey", text, flags=re.M)
    text = re.sub(r"^Instead of: .*\n", "", text, flags=re.M)
    path.write_text(re.sub(r"^Deploy: .*$", "Deploy: before the code that counts", text, flags=re.M))


def describe(path: Path, sample: str) -> None:
    """Put the README's line into models/sample.py."""
    mapping = sample.strip().removeprefix("TABLES = {").removesuffix("}")
    text = path.read_text()
    start, rest = re.split(r"(?<=^TABLES: dict\[str, dict\[str, Any\]\] = \{)", text, flags=re.M)
    path.write_text(f"{start}{mapping}{rest}" if rest.startswith("}") else f"{start}\n    {mapping},{rest}")


def roles_and_a_database(project: Project) -> dict[str, str]:
    """Return the environment of a deploy, on a database that is new and has the two roles."""
    admin = make_url(project.run("python -m migrate url").strip())
    project.run("python -m migrate psql -qc 'CREATE DATABASE production'")
    psql = project.run("python -c 'from postgres import embedded; print(embedded.binary(\"psql\"))'").strip()
    url = admin.set(drivername="postgresql", database="production")

    def by(role: str) -> str:
        return url.set(username=f"{admin.database}_{role}", password=role).render_as_string(
            hide_password=False
        )

    return {
        "PATH": f"{project / '.venv/bin'}:{Path(psql).parent}:/usr/bin:/bin",
        "PGHOST": str(url.host),
        "PGPORT": str(url.port),
        "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password),
        "PGDATABASE": "production",
        "OWNER_PASSWORD": "owner",
        "APP_PASSWORD": "app",
        "MIGRATION_DATABASE_URL": by("owner"),
        "DATABASE_URL": by("app"),
    }


@pytest.mark.parametrize("history", ["worked", "baseline"])
def test_out_of_the_sample_domain(history: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = generate_here(tmp_path / "empty", history="empty")
    project = generate_here(tmp_path, project_slug="left", history=history)
    project.install()
    try:
        _start, _use, leave, *_ = commands(project / "README.md")
        project.run(leave)
    finally:
        project.remove_server()
    for folder in ("models", "alembic", "tests", "migrate", "postgres"):
        ours, theirs = (
            {
                str(path.relative_to(each)): path
                for path in (each / folder).rglob("*")
                if path.is_file() and "__pycache__" not in path.parts
            }
            for each in (project, empty)
        )
        kept = ours.keys() - theirs.keys()
        assert kept == set(), "what the README does not say to remove"
        missing = theirs.keys() - ours.keys()
        assert missing == ({"models/sample.py"} if folder == "models" else set())
        different = {name for name, path in ours.items() if path.read_bytes() != theirs[name].read_bytes()}
        assert different <= {"models/__init__.py", "alembic/versions/README.md"}
    assert "There is no revision yet." in project.read("alembic/versions/README.md")
