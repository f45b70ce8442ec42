"""What `make ledger` writes into the docstring of a revision: only fields that are empty."""

import ast
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

from migrate.chain import QUESTION, answers
from migrate.ledger.losses import question, rollback
from migrate.ledger.measure import Entry

WIDTH = 105


def proposals(entry: Entry) -> dict[str, str]:
    """Return texts for the empty fields of a measured revision, by the fields' names."""
    proposed = {"Locks": locks(entry), "Rollback": rollback(entry)}
    return {name: text for name, text in proposed.items() if text and name in entry.revision.unsaid}


def questions(entry: Entry) -> dict[str, str]:
    """Return the questions that a person must answer about fields, by the fields' names."""
    return {"Rollback": words} if (words := question(entry)) else {}


def locks(entry: Entry) -> str:
    """Return the text of `Locks:` for a measured revision."""
    run = entry.upgrade
    if not run.locks:
        return "none on existing tables"
    modes = ", ".join(f"{table} {mode}" for table, mode in run.locks.items())
    rewrites = f"rewrites {', '.join(run.rewritten)}" if run.rewritten else "no rewrite"
    reads = [
        f"reads all of {', '.join(table for table, held in run.read.items() if held == mode)} under {mode}"
        for mode in dict.fromkeys(run.read.values())
    ]
    return f"{modes}; {', '.join([rewrites, *(reads or ['no scan'])])}"


def fill(path: Path, given: Mapping[str, str]) -> list[str]:
    """Write into empty fields of the docstring of a file. Everything else in it stays as it is.

    Args:
        path: a revision.
        given: the texts to write, by the name of the field.

    Returns:
        The names of the fields that were written: those that were empty.
    """
    source = path.read_bytes()
    written = []
    for name, text in given.items():
        filled = _filled(source, name, text)
        # Write only if the docstring then has this field, and all its other fields are unchanged.
        if answers(_docstring(filled)) == {**answers(_docstring(source)), name: " ".join(text.split())}:
            source = filled
            written.append(name)
    if written:
        path.write_bytes(source)
    return written


def _filled(source: bytes, name: str, text: str) -> bytes:
    """Return a file with text in the first empty field of this name."""
    lines = source.splitlines(keepends=True)
    start, end = _place(source)
    empty = re.compile(rf"{name}:[ \t]*({re.escape(QUESTION)}.*)?".encode())
    for number in range(start, end):
        if not empty.fullmatch(lines[number].rstrip(b"\r\n")):
            continue
        last = number + 1
        while last < end and lines[last][:1] in b" \t" and lines[last].strip():
            last += 1  # the question has another line
        ending = lines[number][len(lines[number].rstrip(b"\r\n")) :]
        lines_ = wrapped(f"{name}: {_escaped(text)}")
        return b"".join([*lines[:number], *(line.encode() + ending for line in lines_), *lines[last:]])
    return source


def wrapped(text: str) -> list[str]:
    """Return text as the lines of a field. A name in quotes is not split."""
    whole = re.sub(r'"[^"]*"', lambda match: match[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        whole, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines]


def _place(source: bytes) -> tuple[int, int]:
    """Return the numbers, from 0, of a docstring's first line and of the line after its last."""
    tree = ast.parse(source)
    if ast.get_docstring(tree) is None:
        return 0, 0
    return tree.body[0].lineno - 1, tree.body[0].end_lineno or 0


def _docstring(source: bytes) -> str:
    try:
        return (ast.get_docstring(ast.parse(source), clean=False) or "").strip()
    except (SyntaxError, ValueError):
        return ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"""')
