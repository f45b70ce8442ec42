"""The user's description of the sample rows: models/sample.py, and models/past.py if it exists."""

import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from alembic.util import CommandError

from database import ROOT

# The second describes tables and columns of earlier revisions of the chain.
FILES = (ROOT / "models" / "sample.py", ROOT / "models" / "past.py")
KEYS = {"share", "columns", "awkward"}


class SampleError(CommandError):
    """The description of the sample rows has an error. The message is one line."""


@dataclass(frozen=True)
class Described:
    """The description of one table.

    Attributes:
        share: the number of rows, as a factor of `--rows`; 0 leaves the table empty.
        columns: by column, SQL over a row's number `n`, from 1; None gives the column its default.
        awkward: rows that are inserted as they are.
    """

    share: float = 1
    columns: Mapping[str, str | None] = field(default_factory=dict)
    awkward: Sequence[Mapping[str, Any]] = ()


def read(files: Sequence[Path] = FILES) -> dict[str, Described]:
    """Return the descriptions of the files, by "table" or "schema.table".

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
        except (Exception, SystemExit) as error:  # any error in the file: one line says where
            raise SampleError(f"{name} cannot be run: {type(error).__name__}: {error}") from error
        found.update(understood(tables, name))
    return found


def understood(tables: Mapping[str, Mapping[str, Any]], name: str = "TABLES") -> dict[str, Described]:
    """Check the mapping of a file, and return its descriptions.

    Raises:
        SampleError: something in it has another form than the docstring of models/sample.py shows.
    """
    found = {}
    _demand(isinstance(tables, Mapping), name, "TABLES", tables, 'a mapping, {"table": {…}}')
    for table, says in tables.items():
        _demand(isinstance(says, Mapping), name, table, says, 'a mapping, {"columns": {…}}')
        if unknown := ", ".join(sorted(says.keys() - KEYS)):
            raise SampleError(f"{name}: {table!r} has {unknown}: there may be {', '.join(sorted(KEYS))}")
        found[table] = described = Described(**says)
        share, columns, awkward = described.share, described.columns, described.awkward
        _demand(_is_share(share), name, f"share of {table}", share, "a number, 0 or more")
        _demand(
            isinstance(columns, Mapping), name, f"columns of {table}", columns, 'a mapping, {"column": "SQL"}'
        )
        _demand(
            _are_rows(awkward),
            name,
            f"awkward of {table}",
            awkward,
            'a list of mappings, [{"column": value}]',
        )
        for column, sql in columns.items():
            _demand(
                isinstance(sql, str | None),
                name,
                f"{table}.{column}",
                sql,
                "an SQL expression in quotes, or None",
            )
    return found


def _is_share(share: object) -> bool:
    return isinstance(share, int | float) and 0 <= share < inf


def _are_rows(awkward: object) -> bool:
    return isinstance(awkward, Sequence) and all(isinstance(row, Mapping) for row in awkward)


def _demand(holds: bool, name: str, what: str, value: object, wanted: str) -> None:
    if not holds:
        raise SampleError(f"{name}: {what} is {value!r}: give {wanted}")
