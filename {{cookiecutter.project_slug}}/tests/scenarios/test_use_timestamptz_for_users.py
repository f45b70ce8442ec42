"""Timestamps get a time zone: no moment moves, and no row is written."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic import command
from sqlalchemy import Connection, text

from tests.support import BY_SLUG, Database, Make, Server

TABLES = pytest.mark.parametrize("table", ["users", "documents"])
ZONES = pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])


def moments(database: Database, table: str) -> list[tuple[object, ...]]:
    """Return what is stored, in microseconds, which for a timestamp are those of UTC."""
    return database.query(
        f"SELECT id, extract(epoch FROM created_at), extract(epoch FROM updated_at) FROM {table} ORDER BY id"
    )


def file(database: Database, table: str) -> int:
    number: int = database.value(f"SELECT pg_relation_filenode('{table}')")
    return number


@contextmanager
def session(database: Database, zone: str) -> Iterator[Connection]:
    with database.engine.connect() as connection:
        connection.execute(text(f"SET TIME ZONE '{zone}'"))
        connection.commit()
        yield connection


@TABLES
@ZONES
def test_no_moment_moves_and_no_row_is_written_whatever_the_zone(
    server: Server, table: str, zone: str
) -> None:
    slug = f"use_timestamptz_for_{table}"
    database = server.before(slug)
    earlier, first_file = moments(database, table), file(database, table)
    with session(database, zone) as connection:
        config = database.alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, BY_SLUG[slug].id)
        assert moments(database, table) == earlier
        assert file(database, table) == first_file
        command.downgrade(config, "-1")
    assert moments(database, table) == earlier
    assert file(database, table) == first_file


@TABLES
def test_nor_in_psql_where_the_database_has_another_zone(server: Server, table: str) -> None:
    slug = f"use_timestamptz_for_{table}"
    database = server.before(slug)
    database.execute(f"ALTER DATABASE \"{database.url.database}\" SET timezone = 'Asia/Kathmandu'")
    assert "Kathmandu" in database.psql("SHOW timezone;")
    earlier, first_file = moments(database, table), file(database, table)
    database.offline_upgrade(slug)
    assert moments(database, table) == earlier
    assert file(database, table) == first_file
    database.offline_downgrade(slug)
    assert moments(database, table) == earlier
    assert file(database, table) == first_file


def test_the_zone_of_the_session_is_what_it_was_afterwards(before: Make) -> None:
    database = before("use_timestamptz_for_users")
    with session(database, "Europe/Berlin") as connection:
        config = database.alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, "+1")
        assert connection.scalar(text("SHOW timezone")) == "Europe/Berlin"


def test_code_that_knows_no_zones_goes_on_writing_from_a_session_in_utc(after: Make) -> None:
    database = after("use_timestamptz_for_users")
    user = database.insert("users", created_at="2024-03-31 02:30:00")
    assert database.value("SELECT extract(epoch FROM created_at) FROM users WHERE id = :id", id=user) == (
        1711852200
    )


@pytest.mark.parametrize(
    ("zone", "using", "moves", "rewrites"),
    [
        ("UTC", "", False, False),
        ("UTC", "USING created_at AT TIME ZONE 'UTC'", False, True),
        ("Europe/Berlin", "USING created_at AT TIME ZONE 'UTC'", False, True),
        ("Europe/Berlin", "", True, True),
        # The guide's recipe: right by luck, where the session happens to be in UTC.
        ("UTC", "USING created_at::timestamp with time zone", False, False),
        ("Europe/Berlin", "USING created_at::timestamp with time zone", True, True),
    ],
)
def test_what_other_ways_cost(before: Make, zone: str, using: str, *, moves: bool, rewrites: bool) -> None:
    database = before("use_timestamptz_for_documents")
    earlier, first_file = moments(database, "documents"), file(database, "documents")
    with session(database, zone) as connection:
        connection.execute(text(f"ALTER TABLE documents ALTER created_at TYPE timestamptz {using}"))
        connection.commit()
    later = moments(database, "documents")
    moved = [now for now, then in zip(later, earlier, strict=True) if now != then]
    assert len(moved) == (len(earlier) if moves else 0)
    assert (file(database, "documents") != first_file) == rewrites
