"""Pages swap their numbers within a transaction; what a deferrable unique constraint costs."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import Database, Make, Server

SLUG = "defer_document_page_number"
NAME = "uq_document_pages_document_id_page_number"
TIMING = "SELECT condeferrable, condeferred FROM pg_constraint WHERE conname = :name"
NUMBERS = "SELECT page_number FROM document_pages WHERE id IN (:one, :other) ORDER BY id = :other"
GIVE = "UPDATE document_pages SET page_number = :number WHERE id = :id"
IN_ONE = "UPDATE document_pages SET page_number = 3 - page_number WHERE document_id = :document"
# Each is a way to write ON CONFLICT.
CONFLICTS = [
    "(document_id, page_number) DO UPDATE SET text = excluded.text",
    "(document_id, page_number) DO NOTHING",
    f"ON CONSTRAINT {NAME} DO NOTHING",
    "DO NOTHING",
]


def two_pages(database: Database) -> tuple[Any, Any, Any]:
    """Insert a document and its pages 1 and 2; return their ids."""
    document = database.insert("documents")
    one, other = (database.insert("document_pages", document_id=document, page_number=n) for n in (1, 2))
    return document, one, other


def test_two_pages_swap_their_numbers_in_one_transaction(after: Make) -> None:
    database = after(SLUG)
    _, one, other = two_pages(database)
    with database.engine.begin() as code:
        code.execute(text(f"SET CONSTRAINTS {NAME} DEFERRED"))
        for id_, number in ((one, 2), (other, 1)):
            code.execute(text(GIVE), {"id": id_, "number": number})
    assert database.column(NUMBERS, one=one, other=other) == [2, 1]


def test_or_in_one_statement_with_nothing_said(before: Make) -> None:
    database = before(SLUG)
    document, one, other = two_pages(database)
    with pytest.raises(IntegrityError, match=NAME):
        database.execute(IN_ONE, document=document)
    database.upgrade(SLUG)
    database.execute(IN_ONE, document=document)
    assert database.column(NUMBERS, one=one, other=other) == [2, 1]


def test_a_number_that_two_pages_have_is_refused_at_once_or_at_the_end(after: Make) -> None:
    database = after(SLUG)
    _, one, _ = two_pages(database)
    with database.engine.connect() as code:
        with pytest.raises(IntegrityError, match=NAME):
            code.execute(text(GIVE), {"id": one, "number": 2})
        code.rollback()
        code.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        code.execute(text(GIVE), {"id": one, "number": 2})
        with pytest.raises(IntegrityError, match=NAME):
            code.commit()


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_on_conflict_is_refused(before: Make, conflict: str) -> None:
    database = before(SLUG)
    document, *_ = two_pages(database)
    insert = (
        f"INSERT INTO document_pages (document_id, page_number) VALUES (:document, 1) ON CONFLICT {conflict}"
    )
    database.execute(insert, document=document)
    database.upgrade(SLUG)
    with pytest.raises(DBAPIError, match="does not support deferrable unique constraints"):
        database.execute(insert, document=document)
    database.downgrade(SLUG)
    database.execute(insert, document=document)


def test_no_foreign_key_can_refer_to_it(after: Make) -> None:
    key = "FOREIGN KEY (d, p) REFERENCES document_pages (document_id, page_number)"
    with pytest.raises(DBAPIError, match="cannot use a deferrable unique constraint"):
        after(SLUG).execute(f"CREATE TABLE notes (d uuid, p integer, {key})")


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_a_number_is_refused_while_the_index_is_built(server: Server, direction: str) -> None:
    database = server.ready_for(SLUG, direction)
    document, *_ = two_pages(database)
    with database.engine.connect() as code:
        code.execute(text("UPDATE document_pages SET text = 'open'"))
        with database.while_it_waits(SLUG, direction):
            code.commit()
            with pytest.raises(IntegrityError, match=NAME):
                database.insert("document_pages", document_id=document, page_number=1)
    assert database.query(TIMING, name=NAME) == [(direction == "upgrade", False)]


def test_alter_constraint_changes_foreign_keys_alone(before: Make) -> None:
    with pytest.raises(DBAPIError, match="is not a foreign key constraint"):
        before(SLUG).execute(f"ALTER TABLE document_pages ALTER CONSTRAINT {NAME} DEFERRABLE")
