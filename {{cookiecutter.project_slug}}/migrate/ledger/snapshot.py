"""How large the tables of a database are, by its statistics: no row is read, and none is in it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from migrate.ledger.catalogue import Catalogue, Size
from migrate.run.versions import versions

VERSION = 1  # of the format


class SnapshotError(CommandError):
    """A snapshot cannot be read, or does not fit. The message is one line."""


@dataclass
class Table:
    """One table, with its partitions.

    Attributes:
        rows: as statistics have them.
        bytes: without indexes.
        indexes: how many bytes each has.
    """

    schema: str
    name: str
    rows: int = 0
    bytes: int = 0
    indexes: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Snapshot:
    """What is known of a database.

    Attributes:
        server: its version.
        revisions: those that it is at.
        tables: how large they are.
    """

    server: str
    revisions: list[str]
    tables: list[Table]

    @classmethod
    def take(cls, connection: Connection, config: Config | None = None) -> "Snapshot":
        """Return that of a database. It reads the catalogue and the version, and changes nothing.

        Args:
            connection: the database.
            config: that of its chain; not needed for a scratch database.
        """
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        revisions = sorted(versions(connection, config or Config()).get_current_heads())
        tables = {table.key: table for table in _tables(Catalogue(driver).sizes()).values()}
        version = driver.info.server_version
        connection.rollback()
        return cls(f"{version // 10000}.{version % 10000}", revisions, list(tables.values()))

    @classmethod
    def load(cls, path: Path) -> "Snapshot":
        """Read one.

        Raises:
            SnapshotError: it is none.
        """
        try:
            read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if read.pop("version") != VERSION:
                raise ValueError(f"its version is not {VERSION}")
            tables = [Table(**table) for table in read.pop("tables")]
            if not all(type(table.rows) is type(table.bytes) is int and table.rows >= 0 for table in tables):
                raise ValueError("a number of rows or bytes is none")
            return cls(tables=tables, **read)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise SnapshotError(
                f"{path} is no snapshot ({why}): python -m migrate snapshot writes one"
            ) from error

    def dump(self) -> str:
        """Return it as text."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @property
    def uncounted(self) -> list[str]:
        """The tables that have bytes and, as far as statistics know, no rows: they were never analyzed."""
        return [table.key for table in self.tables if table.bytes and not table.rows]


def keys(sizes: list[Size]) -> dict[int, str]:
    """Return by which "schema.name" a table is known, a partition by that of its table."""
    return {oid: table.key for oid, table in _tables(sizes).items()}


def _tables(sizes: list[Size]) -> dict[int, Table]:
    """Return the tables by their numbers, those of partitions too."""
    by_number = {size.oid: size for size in sizes}
    found: dict[int, Table] = {}

    def table(size: Size) -> Table:
        if size.oid not in found:
            above = by_number.get(size.parent)
            found[size.oid] = table(above) if above else Table(size.schema, size.name)
        return found[size.oid]

    for size in sizes:
        if size.table in by_number:
            table(by_number[size.table]).indexes[size.name] = size.bytes
        elif not size.table:
            one = table(size)
            one.rows, one.bytes = one.rows + size.rows, one.bytes + size.bytes
    return found
