"""What the user says of the sample rows: models/sample.py, and models/past.py where there is one."""

import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.util import CommandError

from database import ROOT

# The second says what was there at earlier revisions of the chain.
FILES = (ROOT / "models" / "sample.py", ROOT / "models" / "past.py")
KEYS = {"share", "columns", "awkward"}


class SampleError(CommandError):
    """What is said of the sample rows cannot be understood. The message is one line."""


@dataclass(frozen=True)
class Described:
    """What is said of one table.

    Attributes:
        share: rows for each of those asked for; 0 leaves the table empty.
        columns: SQL over a row's number `n`, from 1, by column; None leaves the column to its default.
        awkward: rows that are put in as they stand.
    """

    share: float = 1
    columns: Mapping[str, str | None] = field(default_factory=dict)
    awkward: Sequence[Mapping[str, Any]] = ()


def read(files: Sequence[Path] = FILES) -> dict[str, Described]:
    """Return what the files say of the tables, by "table" or "schema.table".

    Raises:
        SampleError: a file has an error in it.
    """
    found: dict[str, Described] = {}
    for path in files:
        if not path.exists():
            continue
        name = f"{path.parent.name}/{path.name}"
        try:
            tables = runpy.run_path(str(path)).get("TABLES", {})
        except Exception as error:  # whatever it is, one line says where
            raise SampleError(f"{name} cannot be run: {type(error).__name__}: {error}") from error
        found.update(understood(tables, name))
    return found


def understood(tables: Mapping[str, Mapping[str, Any]], name: str = "TABLES") -> dict[str, Described]:
    """Return the mapping of a file, checked.

    Raises:
        SampleError: something in it is not of the form that the engine reads.
    """
    found = {}
    for table, says in tables.items():
        if unknown := ", ".join(sorted(says.keys() - KEYS)):
            raise SampleError(f"{name}: {table!r} has {unknown}: there may be {', '.join(sorted(KEYS))}")
        found[table] = Described(**says)
        for column, sql in found[table].columns.items():
            if not isinstance(sql, str | None):
                raise SampleError(
                    f"{name}: {table}.{column} is {sql!r}: give an SQL expression in quotes, or None"
                )
    return found
