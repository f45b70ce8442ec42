"""A generated backend, as a test sees it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from textwrap import dedent
from urllib.parse import unquote

import fasteners
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
FOREIGN = (
    *("DATABASE_URL", "MIGRATION_DATABASE_URL", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"),
    *("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"),
)


@dataclass(frozen=True)
class Project:
    """A generated backend, and what its user does in it."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)  # beside the one of the tests

    def __fspath__(self) -> str:
        return str(self.folder)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def name(self) -> str:
        return self.folder.name

    def has(self, name: str) -> bool:
        """Whether there is such a file or folder."""
        return (self.folder / name).exists()

    def read(self, name: str) -> str:
        """Return the text of a file."""
        return (self.folder / name).read_text(encoding="utf-8")

    def files(self) -> set[str]:
        """Return the names of all files."""
        return files(self.folder)

    def revisions(self) -> list[Path]:
        """Return the files of the chain, in their order."""
        return sorted(self.folder.glob("alembic/versions/*.py"))

    def run(self, script: str, **environment: str) -> str:
        """Run a script in it, its virtual environment activated, and return all that it printed."""
        programs = f"{self.folder / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
        return shell(script, self.folder, **{"PATH": programs, **self.environment, **environment})

    def install(self, python: str = sys.executable) -> None:
        """Give it the `.venv` that `make install` would make, without installing anything once more."""
        link_environment(self.folder, self.folder / "requirements-dev.txt", python)

    def remove_server(self) -> None:
        """Stop its embedded server, and remove the data."""
        if self.has(".venv"):
            self.run("python -m migrate stop --remove")


@dataclass(frozen=True)
class Generation:
    """What came of one call of cookiecutter."""

    code: int
    output: str
    errors: str
    folder: Path  # the one that it was told to write into

    @property
    def project(self) -> Project:
        """What it made."""
        [project] = self.folder.iterdir()
        return Project(project)


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


def generate_here(folder: Path, template: Path = TEMPLATE, /, **answers: str) -> Project:
    """Do as `generate` does, in this process: quicker, and what goes wrong is raised."""
    made = cookiecutter(
        str(template), no_input=True, config_file=str(config(folder)), output_dir=str(folder),
        extra_context=answers,
    )  # fmt: skip
    return Project(Path(made))


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
    del table["oldest_python"], table["words"]
    brought: dict[bool, set[str]] = {True: set(), False: set()}
    for question, by_choice in table.items():
        for choice, files in by_choice.items():
            brought[choices[question] == choice].update(files["paths"])
    gone = brought[False] - brought[True]
    result, chosen = {}, {}
    for name in names:
        folder, *rest = Path(name).parts
        if folder == "choices":
            question, choice, *path = rest
            if choices[question] == choice:
                chosen[str(Path(*path))] = name
        elif not gone.intersection(map(str, (Path(name), *Path(name).parents))):
            result[name] = name
    return result | chosen


def config(folder: Path) -> Path:
    """Return a configuration of Cookiecutter that neither reads nor writes the user's own."""
    home = folder.with_name(folder.name + "_cookiecutter")
    home.mkdir(exist_ok=True)
    path = home / "config.yaml"
    path.write_text(f"replay_dir: {home}\ncookiecutters_dir: {home}\n")
    return path


def shell(script: str, folder: str | os.PathLike[str], **environment: str) -> str:
    """Run a script as a user would type it, and return all that it printed."""
    inherited: Mapping[str, str] = {k: v for k, v in os.environ.items() if k not in FOREIGN}
    # A backend has no pytest-alembic, which breaks the collection of pytest 9.2; these tests have.
    ours = {"PYTHON": sys.executable, "PYTEST_ADDOPTS": "-p no:pytest_alembic"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**inherited, **ours, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


def locked(requirements: Path) -> dict[str, str]:
    """Return the version of each distribution that a file of requirements locks."""
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", requirements.read_text(encoding="utf-8"), re.M))


def link_environment(folder: Path, requirements: Path, python: str = sys.executable) -> None:
    """Give a folder a `.venv` that holds what a file requires, and that make need not install.

    It has links to a shared environment in it, and is no link itself: make looks at the time of
    its `installed`, which is the folder's own.
    """
    shared = environment(requirements, python)
    (folder / ".venv").mkdir()
    for path in shared.iterdir():
        if path.name != "installed":
            (folder / ".venv" / path.name).symlink_to(path, target_is_directory=path.is_dir())
    (folder / ".venv/installed").touch()


def environment(requirements: Path, python: str = sys.executable, *, exact: bool = False) -> Path:
    """Return a virtual environment with what a file requires.

    It is the one that the tests run in, where that will do, else one in build/environments,
    which is there for all tests and for the next time.

    Args:
        requirements: the file.
        python: what it is to run.
        exact: nothing else may be installed in it.
    """
    ours = sys.prefix != sys.base_prefix and python == sys.executable and not exact
    if ours and locked(requirements).items() <= locked(TEMPLATE / "requirements.txt").items():
        return Path(sys.prefix)
    version = subprocess.run([python, "-V"], check=True, capture_output=True).stdout
    name = sha256(version + requirements.read_bytes()).hexdigest()[:16]
    folder = TEMPLATE / "build/environments" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with fasteners.InterProcessLock(folder.with_name(f"{name}.lock")):
        if not (folder / "installed").exists():
            pip = f"{name}/bin/pip install --quiet --disable-pip-version-check --require-hashes"
            shell(f"rm -rf {name} && '{python}' -m venv {name}", folder.parent)
            shell(f"{pip} -r '{requirements}' && touch {name}/installed", folder.parent)
    return folder


def blocks(document: Path, language: str) -> list[str]:
    """Return the code blocks of a Markdown file in a language, in their order."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", document.read_text(encoding="utf-8"), re.M | re.S)
    return [dedent(block) for block in found]


def commands(document: Path) -> list[str]:
    """Return the shell blocks of a Markdown file, in their order."""
    return [block.rstrip("\n") for block in blocks(document, "sh")]


def assert_passed(printed: str) -> None:
    """Check that what pytest printed says that tests have run, and all passed."""
    assert re.search(r"\d+ passed", printed)
    assert not re.search(r"\d+ (failed|errors?)", printed)


def assert_links(document: Path) -> None:
    """Check that every link of a Markdown file leads to a file, or into the web."""
    for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        there = link.startswith("https://") or (document.parent / unquote(link)).exists()
        assert there, f"{document}: {link}"


@pytest.fixture(scope="session")
def default(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The backend of the default answers. Not for tests that change it."""
    generation = generate(tmp_path_factory.mktemp("default"))
    assert generation.code == 0, generation.output + generation.errors
    return generation.project


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Project]:
    """A backend of the default answers, of the test's own, with its `.venv`."""
    project = generate_here(tmp_path)
    project.install()
    yield project
    project.remove_server()
