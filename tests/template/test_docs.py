"""Every Markdown file of both layers: its links lead somewhere, its commands exist."""

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import pytest
from alembic.config import CommandLine

from tests.conftest import BACKEND, TEMPLATE, Project

IGNORED = {".git", ".venv", "build", "node_modules"}
FILES = [p for p in TEMPLATE.rglob("*.md") if not IGNORED.intersection(p.relative_to(TEMPLATE).parts)]
each_file = pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(TEMPLATE)) for path in FILES])

FENCE = re.compile(r"^ *(`{3,})(\w*)[^\n]*\n(.*?)^ *\1 *$", re.M | re.S)
BLOCK = re.compile(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", re.M | re.S)
# Parses what `python -m migrate` would be given, and prints what it does not understand.
PARSE = """
import argparse, json, shlex, sys
from migrate import __main__ as cli
parse = argparse.ArgumentParser.parse_known_args
def stop(self, *arguments):
    options, rest = parse(self, *arguments)
    if self.prog == "python -m migrate":
        sys.exit(0 if options.run.__name__ == "psql" or not rest else f"unknown: {rest}")
    return options, rest
argparse.ArgumentParser.parse_known_args = stop
wrong = []
for words in json.load(sys.stdin):
    try:
        cli.main(words)
    except SystemExit as end:
        if end.code:
            wrong.append(f"{shlex.join(words)}: {end.code}")
sys.exit("\\n".join(wrong) or 0)
"""

# Prints the tables of the models with the names and columns of what Citus has a rule for.
KEYS = """
import json
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint
from database import Base
import models
tables = {}
for table in Base.metadata.sorted_tables:
    keys = {c.name: list(c.columns.keys()) for c in table.constraints
        if isinstance(c, PrimaryKeyConstraint | UniqueConstraint)}
    keys |= {i.name: list(i.columns.keys()) for i in table.indexes if i.unique}
    references = {c.name: [c.referred_table.name, [[e.parent.name, e.column.name] for e in c.elements]]
        for c in table.constraints if isinstance(c, ForeignKeyConstraint)}
    tables[table.name] = [keys, references]
print(json.dumps(tables))
"""


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a Markdown file."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.*)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.M):
        text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def links(path: Path) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", path.read_text(encoding="utf-8")))
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: +(\S+)", text, re.M)


def test_every_link_leads_somewhere(default: Project) -> None:
    # As generated: some files get their name only then.
    generated = [path for path in default.folder.rglob("*.md") if not IGNORED.intersection(path.parts)]
    ours = [path for path in FILES if not path.is_relative_to(BACKEND)]
    assert ours
    assert generated
    for path in ours + generated:
        for link in links(path):
            assert_leads_somewhere(path, link)


def assert_leads_somewhere(path: Path, link: str) -> None:
    if "://" in link:
        assert link.startswith("https://"), f"{path}: {link}"
        return
    name, _, anchor = unquote(link).partition("#")
    target = (path.parent / name) if name else path
    assert target.exists(), f"{path}: {link}"
    if anchor and target.suffix == ".md":
        assert anchor in anchors(target), f"{path}: {link}"


def test_the_anchors_are_those_that_github_gives(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text(
        "# A `code`, and more!\n## Twice\n## Twice\n```sh\n# no heading\n```\n## [Link](y.md) a-b\n"
    )
    assert anchors(path) == {"a-code-and-more", "twice", "twice-1", "link-a-b"}


def commands(text: str) -> Iterator[list[str]]:
    """Return the commands of a Markdown text as lists of words, those of inline code too."""
    blocks = BLOCK.findall(text)
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines() + inline:
        yield from split(line.strip().removeprefix("$ "))


def split(line: str) -> Iterator[list[str]]:
    """Return the commands of one line of shell."""
    for inner in re.findall(r"\$\(([^()]*)\)", line):
        yield from split(inner)
    lexer = shlex.shlex(re.sub(r"\$\([^()]*\)", "VALUE", line), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for word in lexer:
            if set(word) <= set("();|&"):
                yield words
                words = []
            else:
                words.append(word)
    except ValueError:  # prose with an apostrophe in it
        return
    yield words


def arguments(words: list[str], *program: str) -> list[str] | None:
    """Return what a program is given, or None where the words do not call it."""
    while words and re.fullmatch(r"\w+=.*", words[0]):  # a variable of the environment
        words = words[1:]
    if not words:
        return None
    words = [words[0].rpartition("/")[2], *words[1:]]
    size = len(program)
    redirected = next((n for n, word in enumerate(words) if word in ("<", ">", ">>", "2>")), len(words))
    return words[size:redirected] if words[:size] == list(program) and len(words) > size else None


def calls(path: Path, *program: str) -> list[list[str]]:
    given = (arguments(words, *program) for words in commands(path.read_text(encoding="utf-8")))
    return [words for words in given if words is not None]


@each_file
def test_every_make_target_exists(path: Path) -> None:
    layer = BACKEND if path.is_relative_to(BACKEND) else TEMPLATE
    targets = set(re.findall(r"^([a-z-]+):", (layer / "Makefile").read_text(), re.M))
    for words in calls(path, "make"):
        for word in words:
            if layer == TEMPLATE and words[:1] == ["-C"]:
                break
            assert word in targets or re.fullmatch(r"[A-Z]+=.*|[-].*", word), f"make {word}"


def checkable(words: list[str]) -> list[str]:
    """Return words that can be parsed: a subcommand that is only named lacks what it needs."""
    words = [word for word in words if word not in ("…", "...")]
    return words if len(words) > 1 else [*words, "--help"]


@each_file
def test_alembic_understands_every_command_that_is_for_it(path: Path) -> None:
    parser = CommandLine(prog="alembic").parser
    for words in calls(path, "alembic"):
        with pytest.MonkeyPatch.context() as patch, suppress(SystemExit):  # of --help
            # argparse calls this on every parser, a subcommand's too; its own ends the process.
            patch.setattr(argparse.ArgumentParser, "error", complain)
            parser.parse_args(checkable(words))


def complain(parser: argparse.ArgumentParser, message: str) -> None:
    pytest.fail(f"{parser.prog}: {message}")


def test_migrate_understands_every_command_that_is_for_it(default: Project) -> None:
    given = {tuple(words) for path in FILES for words in calls(path, "python", "-m", "migrate")}
    assert given
    words = [checkable([*words]) for words in sorted(given - {("COMMAND",)})]
    done = subprocess.run(
        [sys.executable, "-c", PARSE], input=json.dumps(words), cwd=default, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_what_citus_refuses_of_the_sample_is_all_that_it_refuses(default: Project) -> None:
    section = default.read("docs/SCALE.md").split("\n## Citus\n")[1].split("\n## ")[0]
    table, refused = section.split("\nIt refuses")
    by: dict[str, str] = {}  # the column of each table; none of a reference table
    for row in re.findall(r"^\| (`.*) \| (.*) \|$", table, re.M):
        column = re.search(r"by (?:a )?`(\w+)`", row[1])
        by |= dict.fromkeys(re.findall(r"`(\w+)`", row[0]), column[1] if column else "")
    printed = subprocess.run(
        [sys.executable, "-c", KEYS], cwd=default, capture_output=True, text=True, check=True
    ).stdout
    tables = json.loads(printed)
    assert set(by) == set(tables)
    found = set()
    for name, (keys, references) in tables.items():
        if by[name]:
            found |= {key for key, columns in keys.items() if by[name] not in columns}
            found |= {
                key
                for key, (other, pairs) in references.items()
                if by[other] and [by[name], by[other]] not in pairs
            }
    assert set(re.findall(r"`((?:pk|uq|fk)_\w+)`", refused.partition("An email")[0])) == found
