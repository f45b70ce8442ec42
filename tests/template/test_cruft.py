"""`cruft create`, `cruft check` and `cruft update`, as the backend's README tells to use them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import BACKEND, TEMPLATE, Project, commands, config, shell

pytestmark = pytest.mark.slow

CRUFT = Path(sys.executable).with_name("cruft")


class Checkout(Project):
    """One in a git working tree, the way one at a keyboard uses it. The template is such a one too."""

    def commit(self, message: str) -> None:
        self.run(f"git add --all && git commit --quiet --message='{message}'")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user's, with a git that knows their name, and cruft installed."""
    return {
        "HOME": str(tmp_path),
        "COOKIECUTTER_CONFIG": str(config(tmp_path / "user")),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
        "PATH": f"{CRUFT.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


@pytest.fixture
def template(tmp_path: Path, environment: dict[str, str]) -> Checkout:
    """A repository with the template as it stands here, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TEMPLATE,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    folder = tmp_path / "template"
    for name in listed.split("\0"):
        if (TEMPLATE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TEMPLATE / name, folder / name)
    checkout = Checkout(folder, environment)
    checkout.run("git init --quiet")
    checkout.commit("The template")
    return checkout


@pytest.fixture
def project(template: Checkout, environment: dict[str, str], tmp_path: Path) -> Checkout:
    """A backend that was made from it with cruft, and committed."""
    shell(
        f"cruft create '{template.folder}' --no-input --output-dir '{tmp_path}' "
        """--extra-context '{"project_name": "Paper Mill", "database_name": "papers"}'""",
        tmp_path,
        **environment,
    )
    checkout = Checkout(tmp_path / "paper_mill", environment)
    checkout.run("git init --quiet")
    checkout.commit("From the template")
    return checkout


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def improve(template: Checkout) -> None:
    """Change the template in every way that a year may change it."""
    backend = template / BACKEND.name
    change(backend / "migrate/__init__.py", '"""', '"""Improved. ')
    change(backend / "README.md", "## Start\n", "## Start\n\nA line of the template.\n")
    change(backend / "pyproject.toml", "line-length = 110", "line-length = 111")
    (backend / "migrate/improvement.py").write_text('"""New in the template."""\n')
    (backend / "tests/test_improvement.py").write_text('"""New in the template."""\n')
    # What an update must not bring: it is the schema's.
    (backend / "alembic/versions/20990101_0000_of_the_template.py").write_text("raise SystemExit\n")
    (backend / "tests/scenarios/test_of_the_template.py").write_text("raise SystemExit\n")
    change(backend / "models/auth.py", '"""', '"""Of the template. ')
    change(backend / "models/sample.py", '"""', '"""Of the template. ')
    # Of what the user has deleted, too.
    change(backend / "tests/test_models.py", '"""', '"""Improved. ')
    # A filter that the template did not have when the backend was made.
    change(template / "hooks/answers.py", "one_line=one_line", "one_line=one_line, shout=str.upper")
    change(backend / "README.md", "# {{ cookiecutter.project_name | one_line }}",
           "# {{ cookiecutter.project_name | one_line | shout }}")  # fmt: skip
    template.commit("Improve")


def test_an_update_brings_what_is_new_and_leaves_what_is_the_users(
    project: Checkout, template: Checkout
) -> None:
    *_, update = commands(project / "README.md")
    assert update.split("\n") == ["cruft check", "cruft update --skip-apply-ask", "git diff HEAD"]
    # A year of work.
    revision = "alembic/versions/20260101_0000_add_user_nickname.py"
    (project / revision).write_text("# a revision of the user's\n")
    (project / "tests/scenarios/test_add_user_nickname.py").write_text("# a test of the user's\n")
    (project / "alembic/versions/README.md").write_text("# The user's ledger\n")
    change(project / "models/auth.py", "    phone:", "    nickname: Mapped[str | None]\n    phone:")
    change(project / "models/sample.py", "TABLES:", "# rows of the user's\nTABLES:")
    change(project / "README.md", "## Deploy\n", "## Deploy\n\nA line of the user's.\n")
    change(project / "pyproject.toml", "version = ", 'urls = { home = "https://example.com" }\nversion = ')
    (project / "mill").mkdir()
    (project / "mill/__init__.py").write_text("# the service itself\n")
    (project / "tests/test_models.py").unlink()
    project.commit("A year of work")
    (project / ".env").write_text("DATABASE_URL=postgresql://ada:secret@db.example.com/papers\n")
    kept = {
        path: (project / path).read_bytes()
        for path in project.run("git ls-files alembic/versions models tests/scenarios mill").split()
    } | {".env": (project / ".env").read_bytes()}

    assert "up to date" in project.run("cruft check")
    improve(template)
    assert "out of date" in project.run("cruft check && exit 1 || true")
    said = project.run("cruft update --skip-apply-ask")
    assert "has been updated" in said
    assert "is in" not in said, "the hook told the way to a temporary folder"
    project.commit("Improvements of the template")

    # What is new has come …
    readme = project.read("README.md")
    assert readme.startswith("# PAPER MILL\n")
    assert "A line of the template." in readme
    assert project.read("migrate/__init__.py").startswith('"""Improved. ')
    assert project.has("migrate/improvement.py")
    assert project.has("tests/test_improvement.py")
    settings = project.read("pyproject.toml")
    assert "line-length = 111" in settings
    # … and what is the user's has stayed.
    assert "A line of the user's." in readme
    assert "https://example.com" in settings
    assert 'database_name = "papers"' in settings
    for path, content in kept.items():
        assert (project / path).read_bytes() == content, path
    assert {p.name for p in (project / "alembic/versions").glob("*.py")} == {
        Path(path).name for path in kept if path.startswith("alembic/versions") and path.endswith(".py")
    }
    assert not project.has("tests/test_models.py")
    assert not project.has("tests/scenarios/test_of_the_template.py")
    assert not list(project.folder.rglob("*.rej"))
    assert "<<<<<<<" not in project.run("git show")
    assert "up to date" in project.run("cruft check")


def test_an_update_of_a_line_that_the_user_has_changed_too_is_a_conflict_that_git_shows(
    project: Checkout, template: Checkout
) -> None:
    change(project / "migrate/__init__.py", '"""', '"""Ours. ')
    project.commit("Ours")
    improve(template)
    project.run("cruft update --skip-apply-ask")
    assert project.run("git diff --name-only --diff-filter=U").split() == ["migrate/__init__.py"]
    text = project.read("migrate/__init__.py")
    assert '"""Ours. ' in text
    assert '"""Improved. ' in text
    assert project.has("migrate/improvement.py")


def test_an_update_over_work_that_is_not_committed_is_refused(project: Checkout, template: Checkout) -> None:
    improve(template)
    change(project / "migrate/__init__.py", '"""', '"""Ours. ')
    before = project.run("git diff")
    assert "clean" in project.run("cruft update --skip-apply-ask && exit 1 || true")
    assert project.run("git diff") == before


def test_a_backend_made_by_cookiecutter_can_be_linked(
    template: Checkout, environment: dict[str, str], tmp_path: Path
) -> None:
    shell(f"cookiecutter '{template.folder}' --no-input", tmp_path, **environment)
    made = Checkout(tmp_path / "ocr_backend", environment)
    made.run("git init --quiet")
    made.commit("From the template")
    made.run(f"cruft link '{template.folder}' --no-input")
    made.commit("Link")
    improve(template)
    made.run("cruft update --skip-apply-ask")
    assert made.has("migrate/improvement.py")
