"""A generated backend, installed and used as its README says."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import BACKEND, TEMPLATE, generate, remove_server, shell

pytestmark = pytest.mark.slow

ACTIVATE = ". .venv/bin/activate"


def commands(readme: Path) -> list[str]:
    """Return the shell blocks of a Markdown file, in their order."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", readme.read_text(encoding="utf-8"), re.M | re.S)
    return ["\n".join(line.strip() for line in block.splitlines()) for block in blocks]


def assert_passed(printed: str) -> None:
    assert re.search(r"\d+ passed", printed)
    assert not re.search(r"\d+ (failed|errors?)", printed)


def test_the_commands_of_its_readme_work(installed: Path) -> None:
    # The last one is run by test_cruft.py.
    start, use, revise, ledger, run, deploy, squash, _update = commands(installed / "README.md")
    assert start.split("\n") == ["make db", "make test", "make lint"]
    assert_passed(shell(start, installed))

    assert "(head)" in shell(use, installed)

    # The change that the README tells to make.
    model = installed / "models/auth.py"
    [field] = re.findall(r"^ +(nickname: .*)$", (installed / "README.md").read_text(), re.M)
    model.write_text(model.read_text().replace("    phone:", f"    {field}\n    phone:"))
    shell(f"{ACTIVATE}\n{revise}", installed)
    [revision] = (installed / "alembic/versions").glob("*_add_user_nickname.py")
    assert "op.add_column(" in revision.read_text()
    measured = "Locks: says 'nothing', measured: users AccessExclusiveLock"
    assert measured in shell(f"{ledger} 2>&1 || true", installed)
    revision.write_text(revision.read_text().replace("Locks:", "Locks: users AccessExclusiveLock"))
    shell(ledger, installed)
    row = r"\| \[add_user_nickname\]\(\S+_add_user_nickname.py\) \| .* \| AccessExclusiveLock on users \|"
    assert re.search(row, (installed / "alembic/versions/README.md").read_text())
    assert "No new upgrade operations detected" in shell(f"{ACTIVATE}\n{run}", installed)

    url = shell(f"{ACTIVATE}\npython -m migrate url", installed).strip()
    printed = shell(f"{ACTIVATE}\nalembic downgrade -1\n{deploy}", installed, DATABASE_URL=url)
    assert "deploy succeeded" in printed
    assert "rollback succeeded" in printed
    for script in (installed / "backups").glob("*.sql"):
        assert "ADD COLUMN nickname" in script.read_text()
    assert len(list((installed / "backups").glob("*.dump"))) == 2

    # It has no git: the files are put aside.
    assert "takes the place of 106 files" in shell(f"{ACTIVATE}\n{squash}", installed)
    assert len(list((installed / "alembic/versions").glob("*.py"))) == 1
    assert len(list((installed / "alembic/versions_squashed").glob("*.py"))) == 106
    assert "was not running" not in shell("make db-stop", installed)


def test_what_runs_the_migrations_works(installed: Path) -> None:
    # The part of `make test-all` that is not in `make test`, which the commands of the README run.
    everything = shell("make --dry-run test-all", installed).strip()
    assert everything.startswith(".venv/bin/pytest ")
    assert_passed(shell(f"{everything} -m tools", installed))


def test_the_url_of_its_readme_and_of_its_example_is_understood(default: Path) -> None:
    text = (default / "README.md").read_text() + (default / ".env.example").read_text()
    urls = re.findall(r"^#? ?(?:MIGRATION_)?DATABASE_URL=(\S+)$", text, re.M)
    assert len(urls) == 3
    for url in urls:
        assert re.fullmatch(r"postgresql://\w+:\w+@[\w.]+:5432/ocr_db", url)


def test_another_backend_with_other_answers_works_too(tmp_path: Path) -> None:
    generation = generate(
        tmp_path,
        project_name='Ada\'s "Papers" \\ Документы',
        project_slug="papers_2",
        description="One\nsentence.",
        author_name="Zoë O'Neil",
        database_name="papers",
    )
    project = generation.project
    assert project.name == "papers_2"
    try:
        shell("make lint", project)
        shell("make db", project)
        url = shell(".venv/bin/python -m migrate url", project)
        assert url.strip().endswith("/papers")
    finally:
        remove_server(project)


SMALLEST = {"history": "baseline", "ci": "none", "containers": "no", "license": "proprietary"}


def interpreter(version: str) -> str:
    """Return the path of a Python of this version, or skip the test."""
    found = [
        shutil.which(f"python{version}"),
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
        *map(str, Path.home().glob(f".local/share/uv/python/cpython-{version}.*/bin/python3")),
    ]
    for python in filter(None, found):
        # A pyenv shim is there for a version that is not chosen, too, and fails.
        if subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0:
            return python
    pytest.skip(f"there is no Python {version} on this machine")


DEPEND_ON_CHOICES = ("chain", "cli", "database", "index", "judges", "ledger", "models", "sample")


def test_the_smallest_backend_is_whole(tmp_path: Path) -> None:
    project = generate(tmp_path, **SMALLEST, python_version="3.13").project
    try:
        # What the rest is about does not depend on the choices; the default backend's tests run it.
        tests = " ".join(f"tests/test_{name}.py" for name in DEPEND_ON_CHOICES)
        assert_passed(
            shell(
                f"make lint && .venv/bin/pytest --quiet --numprocesses=logical {tests}",
                project,
                PYTHON=interpreter("3.13"),
            )
        )
        assert "No module" not in shell(".venv/bin/python -m migrate sample", project)
    finally:
        remove_server(project)


@pytest.mark.parametrize("version", ["3.12", "3.14"])
def test_a_backend_for_another_python_lints_and_migrates(version: str, tmp_path: Path) -> None:
    project = generate(tmp_path, python_version=version, ci="gitlab", license="Apache-2.0").project
    try:
        shell("make lint db", project, PYTHON=interpreter(version))
        assert "(head)" in shell(".venv/bin/alembic current", project)
    finally:
        remove_server(project)


def test_an_older_python_than_the_chosen_is_refused(tmp_path: Path) -> None:
    project = generate(tmp_path, python_version="3.14").project
    if sys.version_info >= (3, 14):
        pytest.skip("these tests run on a Python that is new enough")
    refusal = shell("make install 2>&1 || true", project)
    assert "Python 3.14 or later is needed: make PYTHON=python3.14" in refusal
    assert not (project / ".venv").exists()


def test_production_needs_neither_the_embedded_server_nor_the_tests(installed: Path) -> None:
    shell("make db", installed)
    url = shell(".venv/bin/python -m migrate url", installed).strip()
    for name in ("tests", "requirements-dev.txt", "Makefile", "pyproject.toml"):
        path = installed / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shell('"$PYTHON" -m venv prod && prod/bin/pip install -q --require-hashes -r requirements.txt', installed)
    shell(
        "prod/bin/alembic upgrade head && prod/bin/alembic current --check-heads", installed, DATABASE_URL=url
    )
    printed = shell("prod/bin/python -m migrate deploy", installed, DATABASE_URL=url)
    assert "deploy succeeded" in printed
    without = shell("prod/bin/alembic upgrade head 2>&1 || true", installed)
    assert "DATABASE_URL is not set" in without
    assert "Traceback" not in without
    # remove_server reads the settings that this test has deleted
    shutil.copy(BACKEND / "pyproject.toml", installed)


def test_what_is_imported_is_declared(default: Path) -> None:
    project = tomllib.loads((default / "pyproject.toml").read_text())
    declared = {re.split(r"[\[>=]", name)[0] for name in project["project"]["dependencies"]}
    assert declared == {"alembic", "psycopg", "python-dotenv", "sqlalchemy"}


def test_the_demo_of_the_readme(tmp_path: Path) -> None:
    copy = tmp_path / "a copy"
    shutil.copytree(TEMPLATE, copy, ignore=shutil.ignore_patterns(".git", ".venv", "build", "__pycache__"))
    demo, _ = commands(TEMPLATE / "README.md")[0].split("\n")
    assert demo == "make demo"
    project = copy / "build/demo/ocr_backend"
    try:
        printed = shell(demo, copy)
        assert "Traceback" not in printed
        readme = (TEMPLATE / "README.md").read_text()
        for line in re.findall(r"^Try:\n(.*?)^```", readme, re.M | re.S)[0].splitlines():
            assert line in printed
        assert re.search(r"Its database is +postgresql://postgres:\S+@127\.0\.0\.1:\d+/ocr_db", printed)
        tries = re.findall(r"^    (.*?)(?:   .*)?$", printed.split("Try:\n")[1].split("\n\n")[0], re.M)
        assert len(tries) == 5
        _, *there = tries
        shell(f"{ACTIVATE}\n" + "\n".join(command for command in there if command != "make test"), project)
        # Once more, over what is there.
        shell(demo, copy)
    finally:
        remove_server(project)
