"""The sample rows, of whatever tables there are."""

import warnings

import pytest

from migrate import sample
from migrate.sample.described import read
from tests.support import REVISIONS, Database, Server


def at_head(server: Server) -> Database:
    return server.at([REVISIONS[-1].id] if REVISIONS else [], rows=False)


@pytest.mark.filterwarnings("default::UserWarning")
def test_each_table_of_each_revision_gets_rows(server: Server) -> None:
    database = server.create()
    for revision in REVISIONS:
        database.upgrade(revision.slug)
        with database.engine.connect() as connection:
            filled = sample.fill(connection, 50)
            connection.rollback()
        assert 0 not in filled.values()
        for table, reason in filled.failed.items():
            warnings.warn(f"after {revision.slug} {table} gets no sample rows: {reason}", stacklevel=1)


def test_the_rows_are_the_same_every_time(server: Server) -> None:
    one, other = at_head(server), at_head(server)
    assert one.fill(200) == other.fill(200)
    assert one.rows() == other.rows()


def test_tables_that_have_rows_are_left_alone(server: Server) -> None:
    database = at_head(server)
    database.fill(20)
    before = database.rows()
    assert database.fill(100) == {}
    assert database.rows() == before


def test_what_models_sample_describes_is_there(server: Server) -> None:
    database = at_head(server)
    there = {
        f"{prefix}{table}.{column}"
        for schema, table, column in database.query(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns"
        )
        for prefix in ("", f"{schema}.")
    }
    described = read(sample.FILES[:1])
    columns = {f"{table}.{column}" for table, said in described.items() for column in said.columns}
    assert columns - there == set()
