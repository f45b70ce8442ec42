"""Notes belong to a page by two columns: a composite foreign key, renamed and dropped."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import Database, Make

KEY = "SELECT conname::text FROM pg_constraint WHERE conrelid = 'page_notes'::regclass AND contype = 'f'"
PLACE = "SELECT document_id, page_number FROM page_notes WHERE id = :note"


def a_note(database: Database) -> tuple[Any, Any]:
    """Insert a document with a page 7 and a note on it; return the ids of the document and the note."""
    document = database.insert("documents")
    database.insert("document_pages", document_id=document, page_number=7)
    return document, database.insert("page_notes", document_id=document, page_number=7)


@pytest.mark.parametrize("slug", ["reference_document_page", "rename_page_notes_constraint"])
def test_a_note_is_on_a_page_that_is_there_or_on_none(after: Make, slug: str) -> None:
    database = after(slug)
    document, _ = a_note(database)
    database.insert("page_notes", note="on none")
    for other, number in [(document, 8), (None, 7), (document, None)]:
        with pytest.raises(IntegrityError, match=r"page_notes_document_id_page_number"):
            database.insert("page_notes", document_id=other, page_number=number, note="nowhere")


def test_a_note_follows_its_page_and_goes_with_it(after: Make) -> None:
    database = after("reference_document_page")
    document, note = a_note(database)
    database.execute("UPDATE document_pages SET page_number = 8 WHERE document_id = :id", id=document)
    assert database.query(PLACE, note=note) == [(document, 8)]
    database.execute("DELETE FROM documents WHERE id = :id", id=document)
    assert database.query(PLACE, note=note) == []


def test_without_match_full_one_null_lets_anything_in(after: Make) -> None:
    database = after("reference_document_page")
    database.execute(
        "ALTER TABLE page_notes DROP CONSTRAINT page_notes_document_id_page_number_fkey, "
        "ADD FOREIGN KEY (document_id, page_number) REFERENCES document_pages (document_id, page_number)"
    )
    database.execute("INSERT INTO page_notes (document_id, note) VALUES (gen_random_uuid(), 'nowhere')")


def test_deleting_a_page_finds_its_notes_by_an_index(after: Make) -> None:
    database = after("reference_document_page")
    database.execute(
        "INSERT INTO page_notes (document_id, page_number, note) "
        "SELECT document_id, page_number, n FROM document_pages, generate_series(1, 20) AS n"
    )
    database.execute("ANALYZE page_notes")
    plan = database.plan("SELECT FROM page_notes WHERE document_id = md5('')::uuid AND page_number = 1")
    assert "idx_page_notes_document_id_page_number" in plan


def test_a_new_name_changes_nothing_else(before: Make) -> None:
    database = before("rename_page_notes_constraint")
    schema = database.schema()
    database.upgrade("rename_page_notes_constraint")
    assert database.column(KEY) == ["fk_page_notes_document_id_page_number"]
    renamed = schema.replace(
        "page_notes_document_id_page_number_fkey", "fk_page_notes_document_id_page_number"
    )
    assert sorted(database.schema().splitlines()) == sorted(renamed.splitlines())  # it stands elsewhere


def test_the_key_has_to_go_before_the_page_numbers_become_deferrable(before: Make) -> None:
    database = before("drop_page_notes_fk")
    with pytest.raises(DBAPIError, match="other objects depend on it"):
        database.execute(
            "ALTER TABLE document_pages DROP CONSTRAINT uq_document_pages_document_id_page_number"
        )


def test_the_way_back_refuses_a_note_on_a_page_that_is_not_there(after: Make) -> None:
    database = after("drop_page_notes_fk")
    document, note = a_note(database)
    database.execute("UPDATE document_pages SET page_number = 8 WHERE document_id = :id", id=document)
    with pytest.raises(DBAPIError, match="page_notes has notes on pages that are not there"):
        database.downgrade("drop_page_notes_fk")
    assert database.column(KEY) == []  # a refusal leaves nothing in the way of code
    database.execute("UPDATE page_notes SET page_number = 8 WHERE id = :id", id=note)
    database.downgrade("drop_page_notes_fk")
    assert database.column(KEY) == ["fk_page_notes_document_id_page_number"]


def test_notes_are_written_while_the_way_back_reads_them(after: Make) -> None:
    database = after("drop_page_notes_fk")
    with database.engine.connect() as validating:
        database.execute(
            "ALTER TABLE page_notes ADD CONSTRAINT fk FOREIGN KEY (document_id, page_number) "
            "REFERENCES document_pages (document_id, page_number) NOT VALID"
        )
        validating.execute(text("ALTER TABLE page_notes VALIDATE CONSTRAINT fk"))
        with database.engine.begin() as code:
            code.execute(text("SET LOCAL lock_timeout = '1s'"))
            code.execute(text("UPDATE page_notes SET body = 'meanwhile'"))
            code.execute(text("UPDATE document_pages SET text = 'meanwhile'"))
        validating.rollback()
