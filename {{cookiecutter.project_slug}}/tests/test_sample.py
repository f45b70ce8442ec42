"""The sample rows, of whatever tables there are."""

import warnings

import pytest

from migrate import sample
from migrate.sample import Filled, catalogue
from migrate.sample.described import FILES, read
from tests.support import REVISIONS, Database, Rows, Server

pytestmark = pytest.mark.filterwarnings("default::UserWarning")


def at_head(server: Server) -> Database:
    return server.at([REVISIONS[-1].id] if REVISIONS else [])


def filled_again(database: Database) -> Rows:
    with database.engine.begin() as connection:
        tables = [table.sql for table in catalogue.read(connection).tables.values()]
        if tables:
            connection.exec_driver_sql(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        for table in tables:  # what a trigger writes may be another time, or another key, each time
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        report("at head", sample.fill(connection, 200))
    return database.rows()


def report(where: str, filled: Filled) -> None:
    assert 0 not in filled.values()
    for table, reason in filled.failed.items():
        warnings.warn(f"{where} {table} gets no sample rows: {reason}", stacklevel=2)


def test_each_table_of_each_revision_gets_rows(server: Server) -> None:
    for revision in REVISIONS:
        report(f"after {revision.slug}", server.after(revision.slug).fill(50))  # what is still without rows
        server.drop_scratch()


def test_the_rows_are_the_same_every_time(server: Server) -> None:
    assert filled_again(at_head(server)) == filled_again(at_head(server))


def test_tables_that_have_rows_are_left_alone(server: Server) -> None:
    database = at_head(server)
    before = database.rows()
    assert database.fill(100) == {}
    assert database.rows() == before


def test_what_models_sample_describes_is_there(server: Server) -> None:
    with at_head(server).engine.connect() as connection:
        tables = catalogue.read(connection).tables.values()
    there = {
        f"{label}.{column}"
        for table in tables
        for label in (table.label, f"{table.schema}.{table.name}")
        for column in table.columns
    }
    described = {f"{table}.{column}" for table, said in read(FILES[:1]).items() for column in said.columns}
    assert described - there == set()
