"""A CHECK on a live table, and later another expression for it."""

import itertools

import pytest
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from postgres.errors import PostgresError
from tests.support import Make, Server

RULE = (
    "SELECT pg_get_constraintdef(oid), convalidated FROM pg_constraint "
    "WHERE conname ~ '^ck_documents_priority'"
)


def test_what_was_beyond_the_range_is_at_its_nearest_end(before: Make) -> None:
    database = before("clamp_document_priorities")
    for priority in (-2147483648, -1, 0, 9, 10, 2147483647):
        database.insert("documents", priority=priority)
    earlier = dict(database.query("SELECT id, priority FROM documents"))
    database.upgrade("clamp_document_priorities")
    assert dict(database.query("SELECT id, priority FROM documents")) == {
        id_: min(max(priority, 0), 9) for id_, priority in earlier.items()
    }


def test_every_row_of_many_batches_is_reached(before: Make) -> None:
    database = before("clamp_document_priorities")
    database.insert_many("documents", 12345, priority="100 - n")
    database.upgrade("check_document_priority")
    assert database.value("SELECT count(*) FROM documents WHERE priority NOT BETWEEN 0 AND 9") == 0


@pytest.mark.parametrize(
    ("slug", "limit"), [("check_document_priority", 9), ("raise_document_priority_limit", 100)]
)
def test_the_ends_of_the_range_are_in_it_and_their_neighbours_are_not(
    after: Make, slug: str, limit: int
) -> None:
    database = after(slug)
    for priority in (0, limit):
        database.insert("documents", priority=priority)
    for priority in (-1, limit + 1):
        with pytest.raises(IntegrityError, match="ck_documents_priority_range"):
            database.insert("documents", priority=priority)


def test_there_is_one_rule_and_it_holds_for_all_rows(after: Make) -> None:
    database = after("raise_document_priority_limit")
    assert database.query(RULE) == [("CHECK (((priority >= 0) AND (priority <= 100)))", True)]


def test_the_old_rule_holds_until_the_new_one_is_proved(before: Make) -> None:
    database = before("raise_document_priority_limit")
    for statements in itertools.count(1):
        database = before("raise_document_priority_limit")
        done = database.crash("raise_document_priority_limit", statements)
        with pytest.raises(IntegrityError, match="ck_documents_priority_range"):
            database.insert("documents", priority=101)
        with pytest.raises(IntegrityError, match="ck_documents_priority_range"):
            database.insert("documents", priority=-1)
        if done:
            break


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_the_way_back_refuses_while_a_priority_is_above_the_old_limit(
    server: Server, *, offline: bool
) -> None:
    database = server.after("raise_document_priority_limit")
    urgent = database.insert("documents", priority=100)
    schema, rows = database.schema(), database.rows()
    with pytest.raises((CommandError, DBAPIError, PostgresError), match="above 9"):
        (database.offline_downgrade if offline else database.downgrade)("raise_document_priority_limit")
    assert (database.schema(), database.rows()) == (schema, rows)
    database.execute("UPDATE documents SET priority = 9 WHERE id = :id", id=urgent)
    database.downgrade("raise_document_priority_limit")
    with pytest.raises(IntegrityError, match="ck_documents_priority_range"):
        database.insert("documents", priority=10)


def test_the_naive_way_fails_on_a_row_beyond_the_range(before: Make) -> None:
    database = before("clamp_document_priorities")
    database.insert("documents", priority=-1)
    with pytest.raises(IntegrityError, match="is violated by some row"):
        database.execute("ALTER TABLE documents ADD CONSTRAINT naive CHECK (priority BETWEEN 0 AND 9)")


def test_the_naive_way_keeps_readers_waiting_through_the_scan(before: Make) -> None:
    database = before("check_document_priority")
    with database.engine.connect() as naive:
        naive.execute(text("ALTER TABLE documents ADD CONSTRAINT naive CHECK (priority BETWEEN 0 AND 9)"))
        with database.engine.connect() as reader:
            reader.execute(text("SET lock_timeout = '100ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                reader.execute(text("SELECT count(*) FROM documents"))
        naive.rollback()
