"""Which tables a statement locks against traffic: by its text, else by the ledger."""

import json
import re
from contextlib import suppress
from pathlib import Path

from alembic.runtime.migration import RevisionStep

# A name in SQL: plain or quoted, with or without a schema.
PART = r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")'
NAME = rf"{PART}(?:\.{PART})?"
NAMES = rf"{NAME}(?:\s*,\s*(?:ONLY\s+)?{NAME})*"

END = r"(?![\w$\".])"  # of a name
MODE = r"(?:SHARE|SHARE\s+ROW\s+EXCLUSIVE|EXCLUSIVE|ACCESS\s+EXCLUSIVE)"
WEAK = r"(?:VALIDATE\s|DETACH\s.*\sCONCURRENTLY)"

# The beginnings of statements; t is the place of the table names. A statement that takes
# ShareUpdateExclusiveLock or less blocks no traffic, and is not among them. They are
# compiled at the first statement, because a run with nothing to do has none.
LOCKING = [
    rf"\s*{pattern}"
    for pattern in (
        rf"LOCK\s+(?:TABLE\s+)?(?:ONLY\s+)?(?P<t>{NAMES})(?:\s+IN\s+{MODE}\s+MODE|\s*;?\s*\Z)",
        rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?P<t>{NAME}){END}(?!\s+{WEAK})",
        rf"DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?P<t>{NAMES})",
        rf"TRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?(?P<t>{NAMES})",
        rf"CREATE\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+)?TRIGGER\s+{PART}\s.*?\sON\s+(?P<t>{NAME})",
        rf"(?:DROP|ALTER)\s+TRIGGER\s+(?:IF\s+EXISTS\s+)?{PART}\s+ON\s+(?P<t>{NAME})",
        rf"(?:CREATE|ALTER|DROP)\s+POLICY\s+(?:IF\s+EXISTS\s+)?{PART}\s+ON\s+(?P<t>{NAME})",
        rf"CREATE\s+(?:OR\s+REPLACE\s+)?RULE\s+{PART}\s+AS\s+ON\s+\w+\s+TO\s+(?P<t>{NAME})",
        rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)(?:.*?\s)??ON\s+(?:ONLY\s+)?(?P<t>{NAME})",
        rf"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{NAME}\s+PARTITION\s+OF\s+(?P<t>{NAME})",
    )
]
DROP_INDEX = rf"\s*DROP\s+INDEX\s+(?!CONCURRENTLY\b)(?:IF\s+EXISTS\s+)?(?P<t>{NAMES})"
# ALTER and CREATE TABLE also lock the table that a foreign key refers to, and a partition.
PARENT = re.compile(rf"\bREFERENCES\s+(?P<t>{NAME})", re.IGNORECASE)
CHILD = re.compile(rf"\b(?:(?:ATTACH|DETACH)\s+PARTITION|INHERIT)\s+(?P<t>{NAME})", re.IGNORECASE)
TABLE_DDL = re.compile(r"\s*(?:ALTER|CREATE)\s+TABLE\b", re.IGNORECASE)
# Dropping a foreign key also locks the table that it refers to.
DROP_TABLE = re.compile(r"\s*DROP\s+TABLE\b", re.IGNORECASE)
DROP = re.compile(
    rf"\bDROP\s+(?:CONSTRAINT\s+|COLUMN\s+)?(?:IF\s+EXISTS\s+)?(?P<t>{PART})(?!\s+(?:NOT\s+NULL|DEFAULT)\b)",
    re.IGNORECASE,
)
CREATE_TABLE = (
    r"\s*CREATE\s+(?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED)\s+)*TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    rf"(?P<t>{NAME})"
)


# Statements that run code, which may lock tables that the text does not name.
CODE = re.compile(r"\s*(?:DO|CALL|SELECT|WITH)\b", re.IGNORECASE)


def recorded(step: RevisionStep | None) -> list[str]:
    """Return the tables that a step locks against traffic, by the ledger.json beside its revision.

    If that file does not exist or cannot be read, return none; `make ledger` reports it.
    """
    if not isinstance(step, RevisionStep):
        return []
    with suppress(OSError, ValueError, KeyError, TypeError):
        ledger = json.loads(Path(step.revision.path).with_name("ledger.json").read_text(encoding="utf-8"))
        measured = ledger["revisions"][step.revision.revision]["upgrade" if step.is_upgrade else "downgrade"]
        return list(measured["blocks"])
    return []


def locked(statement: str) -> list[str]:
    """Return the tables that a statement locks against reads or writes, parents before children.

    Args:
        statement: SQL. For a DO block or a function call, the text does not tell.
    """
    tables = _first(statement, *LOCKING)
    if TABLE_DDL.match(statement) and (tables or created(statement)):
        parents, children = ([match["t"] for match in each.finditer(statement)] for each in (PARENT, CHILD))
        tables = [*parents, *tables, *children]
    return list(dict.fromkeys(tables))


def indexes_dropped(statement: str) -> list[str]:
    """Return the indexes that a statement drops while it locks their tables."""
    return _first(statement, DROP_INDEX)


def keys_dropped(statement: str) -> list[str] | None:
    """Return the names of dropped constraints and columns, which may be foreign keys; None for all."""
    if DROP_TABLE.match(statement):
        return None
    found = [match["t"] for match in DROP.finditer(statement)] if TABLE_DDL.match(statement) else []
    return [name[1:-1].replace('""', '"') if name[0] == '"' else name.lower() for name in found]


def created(statement: str) -> str | None:
    """Return the table that a statement creates; None if it creates none."""
    return next(iter(_first(statement, CREATE_TABLE)), None)


def _first(statement: str, *patterns: str) -> list[str]:
    matches = (re.match(pattern, statement, re.IGNORECASE | re.DOTALL) for pattern in patterns)
    found = next((match["t"] for match in matches if match), "")
    return re.findall(rf"(?:ONLY\s+)?({NAME})(?:\s*,\s*|\s*\Z)", found, re.IGNORECASE)
