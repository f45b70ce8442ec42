"""A generated backend, as a test sees it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from cookiecutter.main import cookiecutter

from hooks.answers import manifest

TEMPLATE = Path(__file__).resolve().parents[1]
BACKEND = TEMPLATE / "{{cookiecutter.project_slug}}"

QUESTIONS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
CHOICES: dict[str, list[str]] = {
    name: v for name, v in QUESTIONS.items() if isinstance(v, list) and name[0] != "_"
}

# What a shell of the tests brings along and a user's would not.
FOREIGN = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Generation:
    """What came of one call of cookiecutter."""

    code: int
    output: str
    errors: str
    folder: Path  # the one that it was told to write into

    @property
    def project(self) -> Path:
        """The folder that it made."""
        [project] = self.folder.iterdir()
        return project


def generate(folder: Path, template: Path = TEMPLATE, /, **answers: str) -> Generation:
    """Generate a backend, without questions, from the default answers and these."""
    done = subprocess.run(
        [
            sys.executable, "-m", "cookiecutter", str(template), "--no-input",
            "--config-file", str(config(folder)), "--output-dir", str(folder),
            *(f"{name}={answer}" for name, answer in answers.items()),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )  # fmt: skip
    return Generation(done.returncode, done.stdout, done.stderr, folder)


def generate_here(folder: Path, template: Path = TEMPLATE, /, **answers: str) -> Path:
    """Do as `generate` does, in this process: quicker, and what goes wrong is raised."""
    return Path(
        cookiecutter(
            str(template), no_input=True, config_file=str(config(folder)), output_dir=str(folder),
            extra_context=answers,
        )
    )  # fmt: skip


def copy_template(folder: Path) -> Path:
    """Copy what a clone of the template would hold."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".postgres*", "build", "__pycache__")
    return Path(shutil.copytree(TEMPLATE, folder, ignore=ignored))


def tracked_files() -> set[str]:
    """Return the backend's files that git knows, relative to the backend."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", BACKEND.name],
        cwd=TEMPLATE,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return {str(Path(name).relative_to(BACKEND.name)) for name in listed.split("\0") if name}


def files(project: Path) -> set[str]:
    return {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}


def files_of(choices: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the files that come of these choices.

    Args:
        choices: the answer to each question that has choices.
        names: the backend's files, as they stand in the template.

    Returns:
        For each name in the project, the one in the template.
    """
    table = manifest()
    del table["oldest_python"]
    taken: dict[str, str] = {}
    others: dict[str, str] = {}
    for question, by_choice in table.items():
        for choice, brought in by_choice.items():
            ours = taken if choices[question] == choice else others
            ours |= {path: path for path in brought.get("paths", [])} | brought.get("rename", {})
    result = {}
    for name in names:
        ways = [str(path) for path in (Path(name), *Path(name).parents)]
        if renamed := [path for path in ways if path in taken]:
            result[taken[renamed[0]] + name.removeprefix(renamed[0])] = name
        elif not any(path in others for path in ways):
            result[name] = name
    return result


def config(folder: Path) -> Path:
    """Return a configuration of Cookiecutter that neither reads nor writes the user's own."""
    home = folder.with_name(folder.name + "_cookiecutter")
    home.mkdir(exist_ok=True)
    path = home / "config.yaml"
    path.write_text(f"replay_dir: {home}\ncookiecutters_dir: {home}\n")
    return path


def shell(script: str, folder: Path, **environment: str) -> str:
    """Run a script as a user would type it, and return all that it printed."""
    inherited: Mapping[str, str] = {k: v for k, v in os.environ.items() if k not in FOREIGN}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**inherited, "PYTHON": sys.executable, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


def assert_links(document: Path) -> None:
    """Check that every link of a Markdown file leads to a file, or into the web."""
    for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        there = link.startswith("https://") or (document.parent / unquote(link)).exists()
        assert there, f"{document}: {link}"


def remove_server(project: Path) -> None:
    """Stop a generated backend's embedded server, and remove its data."""
    if (project / ".venv").exists():
        shell(".venv/bin/python -m migrate stop --remove", project)


@pytest.fixture(scope="session")
def default(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backend of the default answers. Not for tests that change it."""
    generation = generate(tmp_path_factory.mktemp("default"))
    assert generation.code == 0, generation.output + generation.errors
    return generation.project


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """A backend of the default answers, of the test's own, with its `.venv`."""
    project = generate(tmp_path).project
    shell("make install", project)
    yield project
    remove_server(project)
