"""A generated backend, installed and used as its README says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import (
    BACKEND,
    TEMPLATE,
    Project,
    assert_passed,
    commands,
    copy_template,
    environment,
    generate_here,
    link_environment,
    shell,
)

pytestmark = pytest.mark.slow


def test_the_default_backend_is_green(installed: Project) -> None:
    start, *_ = commands(installed / "README.md")
    assert start.split("\n") == ["make db", "make test", "make lint"]
    assert_passed(installed.run(start))
    assert "was not running" not in installed.run("make db-stop")


def test_it_stays_green_with_a_revision_of_ones_own(installed: Project) -> None:
    installed.run("alembic upgrade head\nalembic revision -m set_a_comment")
    [path] = installed.folder.glob("alembic/versions/*_set_a_comment.py")
    text = path.read_text(encoding="utf-8")
    for line in ("Scenario: comment a table", "Deploy: at any time"):
        text = re.sub(f"^{line.partition(' ')[0]} .*$", line, text, flags=re.M)
    text = re.sub("^Instead of: .*\n", "", text, flags=re.M)
    for comment in ("'Who signs in.'", "NULL"):
        text = text.replace("    pass\n", f'    op.execute("COMMENT ON TABLE users IS {comment}")\n', 1)
    text = text.replace("revision = ", "from alembic import op\n\nrevision = ", 1)
    path.write_text(text, encoding="utf-8")
    installed.run("make ledger lint")
    assert_passed(installed.run("pytest -q tests/test_worked.py -k 'adapt or step or lately or timeline'"))
    assert_passed(installed.run("pytest -q tests/test_history.py -k 'docstring or date or set_a_comment'"))


def test_the_url_of_its_readme_and_of_its_example_is_understood(default: Project) -> None:
    text = default.read("README.md") + default.read(".env.example")
    urls = re.findall(r"^#? ?(?:MIGRATION_)?DATABASE_URL=(\S+)$", text, re.M)
    assert len(urls) == 3
    for url in urls:
        assert re.fullmatch(r"postgresql://\w+:\w+@[\w.]+:5432/ocr_db", url)


def test_another_backend_with_other_answers_works_too(tmp_path: Path) -> None:
    project = generate_here(
        tmp_path,
        project_name='Ada\'s "Papers" \\ Документы',
        project_slug="papers_2",
        description="One\nsentence.",
        author_name="Zoë O'Neil",
        database_name="papers",
    )
    assert project.name == "papers_2"
    project.install()
    try:
        project.run("make lint db")
        assert project.run("python -m migrate url").strip().endswith("/papers")
    finally:
        project.remove_server()


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


def test_the_smallest_backend_with_tables_is_green(tmp_path: Path) -> None:
    project = generate_here(tmp_path, **SMALLEST, python_version="3.13")
    project.install(interpreter("3.13"))
    try:
        assert_passed(project.run("make db test lint"))
        assert "No module" not in project.run("python -m migrate sample")
    finally:
        project.remove_server()


@pytest.mark.parametrize("version", ["3.12", "3.14"])
def test_a_backend_for_another_python_lints_and_migrates(version: str, tmp_path: Path) -> None:
    project = generate_here(tmp_path, python_version=version, ci="gitlab", license="Apache-2.0")
    project.install(interpreter(version))
    try:
        project.run("make lint db")
        assert "(head)" in project.run("alembic current")
    finally:
        project.remove_server()


def test_an_older_python_than_the_chosen_is_refused(tmp_path: Path) -> None:
    if sys.version_info >= (3, 14):
        pytest.skip("these tests run on a Python that is new enough")
    project = generate_here(tmp_path, python_version="3.14")
    refusal = project.run("make install 2>&1 || true")
    assert "Python 3.14 or later is needed: make PYTHON=python3.14" in refusal
    assert not project.has(".venv")


def test_production_needs_neither_the_embedded_server_nor_the_tests(installed: Project) -> None:
    installed.run("make db")
    url = installed.run("python -m migrate url").strip()
    prod = environment(installed / "requirements.txt", exact=True) / "bin"
    for name in ("tests", "requirements-dev.txt", "Makefile", "pyproject.toml"):
        path = installed / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = installed.run(
        f"{prod}/alembic upgrade head\n{prod}/alembic current --check-heads\n{prod}/python -m migrate deploy",
        DATABASE_URL=url,
    )
    assert "deploy succeeded" in done
    without = installed.run(f"{prod}/alembic upgrade head 2>&1 || true")
    assert "DATABASE_URL is not set" in without
    assert "Traceback" not in without
    # remove_server reads the settings that this test has deleted
    shutil.copy(BACKEND / "pyproject.toml", installed)


def test_the_demo_of_the_readme(tmp_path: Path) -> None:
    copy = copy_template(tmp_path / "a copy")
    link_environment(copy, copy / "requirements.txt")
    demo, _ = commands(TEMPLATE / "README.md")[0].split("\n")
    assert demo == "make demo"
    project = Project(copy / "build/demo/ocr_backend")
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
        project.run("\n".join(command for command in there if command != "make test"))
        # Once more, over what is there.
        shell(demo, copy)
    finally:
        project.remove_server()
