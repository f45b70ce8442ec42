"""New documents get ids that grow with time, on every server; what they give away."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support import Database, Make

SLUG = "default_document_id_uuidv7"
VERSION = "SELECT current_setting('server_version_num')::integer"
# A table without the other indexes of documents, each with a default of its own.
SIZES = """
    CREATE TABLE by_time (id uuid PRIMARY KEY DEFAULT uuid_by_time());
    CREATE TABLE at_random (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
    INSERT INTO by_time SELECT FROM generate_series(1, 20000);
    INSERT INTO at_random SELECT FROM generate_series(1, 20000)
"""


@pytest.fixture
def database(after: Make) -> Database:
    """A database whose documents have the new default."""
    return after(SLUG)


def moment(id_: UUID) -> datetime:
    """Return when an id was made: its first 48 bits are milliseconds."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)


def new_ids(database: Database, count: int) -> list[Any]:
    """Insert documents, each in a statement of its own, and return their ids in that order."""
    return [database.insert("documents") for _ in range(count)]


def test_a_new_id_is_of_version_7_and_says_when_it_was_made(database: Database) -> None:
    now = database.value("SELECT clock_timestamp()")
    for id_ in new_ids(database, 20):
        assert id_.version == 7
        assert id_.variant == "specified in RFC 4122"
        assert abs(moment(id_) - now) < timedelta(minutes=1)


def test_a_later_document_has_the_greater_id(database: Database) -> None:
    ids = new_ids(database, 20)
    assert ids == sorted(ids)


def test_ids_differ_within_a_millisecond(database: Database) -> None:
    ids = database.column("SELECT uuid_by_time() FROM generate_series(1, 5000)")
    assert len(set(ids)) == 5000 > len({moment(id_) for id_ in ids})


def test_documents_that_are_there_keep_their_ids(before: Make) -> None:
    database = before(SLUG)
    rows = database.rows()
    database.upgrade(SLUG)
    assert database.rows() == rows


def test_the_index_of_the_key_grows_at_its_end_and_stays_smaller(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(SIZES)
    by_time, at_random = (
        database.value(f"SELECT pg_relation_size('{table}_pkey')") for table in ("by_time", "at_random")
    )
    assert by_time < 0.9 * at_random


def test_the_server_makes_them_where_it_can(database: Database) -> None:
    if database.value(VERSION) < 180000:
        with pytest.raises(DBAPIError, match="uuidv7"):
            database.query("SELECT uuidv7()")
    else:
        # Its own has a counter in it: the order of one session.
        ids = database.column("SELECT uuid_by_time() FROM generate_series(1, 1000)")
        assert ids == sorted(ids)
        assert abs(
            database.value("SELECT uuid_extract_timestamp(:id)", id=ids[0]) - moment(ids[0])
        ) < timedelta(milliseconds=1)
