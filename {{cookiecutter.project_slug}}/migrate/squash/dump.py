"""A database as the statements that build it, from the output of pg_dump."""

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from postgres import client
from postgres.schema import WITHOUT_BOOKS

OPTIONS = ("--no-owner", "--column-inserts", "--rows-per-insert=100", *WITHOUT_BOOKS)

QUOTED = re.compile(
    r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$ | --[^\n]*""",
    re.VERBOSE | re.DOTALL,
)
NAME = r'(?:\w+|"\x00*")'  # in masked code

# The text before a statement: pg_dump's comments, psql's commands (\restrict), empty lines.
PREAMBLE = re.compile(r"(?:\s|--[^\n]*|\\[^\n]*)*")
# The settings of pg_dump's session, and the comments of extensions.
NOISE = re.compile(r"SET |SELECT pg_catalog\.set_config\(|COMMENT ON EXTENSION ")
STORAGE = re.compile(r"SET (default_tablespace|default_table_access_method) = ")
# A counter that PostgreSQL 15.20 keeps in a column's options.
COUNTER = re.compile(r"(?<=SET \()pg_attver=\d+(, )?|, pg_attver=\d+")
# PostgreSQL 18 gives an unnamed NOT NULL a name, from the names of its table and column, which may have
# been renamed since. PostgreSQL 17 and older have no such name.
NOT_NULL_NAME = re.compile(rf" CONSTRAINT {NAME}(?= NOT NULL\b)")
# PostgreSQL 18's NOT NULL of an inherited column: a line among the columns.
INHERITED_NOT_NULL = re.compile(rf"(?<=\(\n)    NOT NULL {NAME},?\n|,\n    NOT NULL {NAME}(?=,?\n)")
MADE_UP = re.compile(r'\w+_not_null\d*|".+_not_null\d*"', re.DOTALL)
SEQUENCE = re.compile(
    r"(?:CREATE SEQUENCE|ALTER TABLE .* AS IDENTITY \(\n +SEQUENCE NAME) (.+)\n(?s:.*?)START WITH (-?\d+)\n"
)


@dataclass(frozen=True)
class Dump:
    """The statements that build a database, with its rows, and those that drop it, in pg_dump's order."""

    create: list[str]
    drop: list[str]


def dump(url: URL) -> Dump:
    """Return the statements that build the contents of a database.

    The version table, owners and the settings of pg_dump's session are left out. Privileges are
    included: a revision has granted them.

    Raises:
        ClientError: pg_dump failed.
    """
    create = statements(_run(url))
    both = statements(_run(url, "--clean"))
    return Dump(create, both[: len(both) - len(create)])


def _run(url: URL, *options: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        # Not through a pipe: it would lose carriage returns, which a function's body may hold.
        path = Path(folder, "dump.sql")
        client.output("pg_dump", url, *OPTIONS, *options, f"--file={path}")
        script = path.read_bytes().decode()
    # pg_dump names the role of default privileges. Here it is always the role that runs the revision.
    return re.sub(
        rf'^(ALTER DEFAULT PRIVILEGES) FOR ROLE "?{re.escape(url.username or "")}"?',
        r"\1",
        script,
        flags=re.M,
    )


def statements(script: str) -> list[str]:
    """Return the statements of a script of pg_dump."""
    kept = []
    storage = {"default_tablespace": "''", "default_table_access_method": "heap"}
    unmoved = set()
    for statement in split(script):
        if found := STORAGE.match(statement):
            value = statement[found.end() :]
            if storage[found[1]] != value:
                storage[found[1]] = value
                kept.append(statement.replace("SET ", "SET LOCAL ", 1))
        elif not NOISE.match(statement):
            unmoved |= _sequence(statement)
            if statement not in unmoved:
                kept += _clean(statement)
    return kept


def split(script: str) -> Iterator[str]:
    """Yield the statements of a script, without semicolons and the text between statements."""
    depth = start = 0
    for found in re.finditer(r"[();]|\b(?:BEGIN ATOMIC|CASE|END)\b", mask(script)):
        if found[0] in ("(", "BEGIN ATOMIC", "CASE"):
            depth += 1
        elif found[0] in (")", "END"):
            depth -= 1
        elif not depth:
            yield PREAMBLE.sub("", script[start : found.start()], count=1)
            start = found.end()


def mask(sql: str) -> str:
    """Return SQL with its quoted text and comments masked; each character keeps its place."""
    return QUOTED.sub(_blot, sql)


def _blot(found: re.Match[str]) -> str:
    text = found[0]
    return "\0" * len(text) if text[0] == "-" else text[0] + "\0" * (len(text) - 2) + text[-1]


def parts(pattern: re.Pattern[str], sql: str) -> list[str] | None:
    """Return the groups of a pattern if it matches the whole masked statement, else None."""
    found = pattern.fullmatch(mask(sql))
    return [sql[start:end] for start, end in found.regs[1:]] if found else None


def edit(pattern: str | re.Pattern[str], replacement: str | Callable[[str], str], sql: str) -> str:
    """Replace a pattern in the code of a statement, but not in quoted text.

    Args:
        pattern: a pattern for masked code.
        replacement: the new text, or a function that returns it for the text that was found.
        sql: the statement.
    """
    parts, end = [], 0
    for found in re.finditer(pattern, mask(sql)):
        parts.append(sql[end : found.start()])
        text = sql[found.start() : found.end()]
        parts.append(replacement if isinstance(replacement, str) else replacement(text))
        end = found.end()
    return "".join([*parts, sql[end:]])


def _clean(statement: str) -> list[str]:
    """Return the statement without noise, in a form that PostgreSQL 15 understands too."""
    if statement.startswith("ALTER TABLE "):
        statement = edit(COUNTER, "", statement)
        if statement.endswith(" SET ()"):
            return []
    statement = edit(" +(?=\n)", "", edit("\t", "    ", statement))
    required = []
    if statement.startswith("CREATE "):
        statement = edit(NOT_NULL_NAME, _chosen, statement)
        while found := INHERITED_NOT_NULL.search(mask(statement)):
            line = statement[found.start() : found.end()]
            table = statement.split(" (\n")[0].split(" TABLE ")[1]
            column = line.strip(" ,\n").removeprefix("NOT NULL ")
            required.append(f"ALTER TABLE ONLY {table} ALTER COLUMN {column} SET NOT NULL")
            statement = statement[: found.start()] + statement[found.end() :]
    return [statement, *required]


def _chosen(constraint: str) -> str:
    """Return the clause that names a NOT NULL, if the name is not the default one."""
    return "" if MADE_UP.fullmatch(constraint.removeprefix(" CONSTRAINT ")) else constraint


def _sequence(statement: str) -> set[str]:
    """Return the call of setval() that changes nothing, if the statement creates a sequence."""
    found = SEQUENCE.match(statement)
    if not found:
        return set()
    name = found[1].replace("'", "''")
    return {f"SELECT pg_catalog.setval('{name}', {found[2]}, false)"}
