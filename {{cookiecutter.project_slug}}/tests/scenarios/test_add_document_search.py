"""Full-text search over the title and the tags, with a column that a trigger keeps."""

from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

from tests.support import Database, Make

STEPS = ("add_document_search", "backfill_document_search", "index_document_search")


def found(database: Database, words: str) -> list[Any]:
    return database.column(
        "SELECT title FROM documents, websearch_to_tsquery('simple', :words) AS query "
        "WHERE search @@ query ORDER BY ts_rank(search, query) DESC, title",
        words=words,
    )


def test_every_document_is_found_by_the_words_of_its_title_and_its_tags(before: Make) -> None:
    database = before("add_document_search")
    database.insert("documents", title="Zebra crossing", tags=["ünï", "a,b", '"'])
    database.insert("documents", title="", tags=[])
    database.upgrade("backfill_document_search")
    assert found(database, "ZEBRA") == ["Zebra crossing"]
    assert found(database, "crossing ünï") == ["Zebra crossing"]
    assert not database.query("SELECT FROM documents WHERE search IS NULL")


def test_old_code_keeps_the_column_true_at_every_step(before: Make) -> None:
    database = before("add_document_search")
    for step in STEPS:
        database.upgrade(step)
        document = database.insert("documents", title=f"Giraffe {step}")
        assert f"Giraffe {step}" in found(database, "giraffe")
        database.execute("UPDATE documents SET title = 'Okapi' WHERE id = :id", id=document)
        assert found(database, "giraffe") == []
        assert "Okapi" in found(database, "okapi")
        database.execute("UPDATE documents SET tags = '{hooves}' WHERE id = :id", id=document)
        assert found(database, "okapi hooves") == ["Okapi"]
        database.execute("DELETE FROM documents WHERE id = :id", id=document)
        assert found(database, "okapi") == []


def test_nobody_can_make_it_untrue(after: Make) -> None:
    database = after("add_document_search")
    document = database.insert("documents", title="Zebra", search="lies")
    database.execute("UPDATE documents SET search = NULL WHERE id = :id", id=document)
    assert found(database, "zebra") == ["Zebra"]


def test_a_word_of_the_title_weighs_more_than_a_tag(after: Make) -> None:
    database = after("add_document_search")
    database.insert("documents", title="Aardvark", tags=["zebra"])
    database.insert("documents", title="Zebra", tags=["aardvark"])
    assert found(database, "zebra") == ["Zebra", "Aardvark"]


def test_the_name_of_a_file_is_found_by_its_words(after: Make) -> None:
    database = after("add_document_search")
    database.insert("documents", title="zebra_crossing-2024.pdf")
    assert found(database, "zebra 2024") == ["zebra_crossing-2024.pdf"]
    # As the parser takes it, it is one word.
    assert not database.value("SELECT to_tsvector('simple', 'zebra.pdf') @@ to_tsquery('simple', 'zebra')")


def test_the_backfill_reaches_every_row_of_many_batches_and_edits_none(before: Make) -> None:
    database = before("add_document_search")
    database.insert_many("documents", 12345, title="'Zebra ' || n")
    others = "SELECT to_jsonb(d) - 'search' FROM documents d ORDER BY id"
    was = database.query(others)
    database.upgrade("backfill_document_search")
    assert database.value("SELECT count(*) FROM documents WHERE search @@ 'zebra'") == 12345
    assert not database.query("SELECT FROM documents WHERE search IS NULL")
    assert database.query(others) == was


def test_neither_step_rewrites_the_table_as_a_generated_column_would(before: Make) -> None:
    database = before("add_document_search")
    file = "SELECT pg_relation_filenode('documents')"
    was = database.value(file)
    database.upgrade("index_document_search")
    assert database.value(file) == was
    add = "ALTER TABLE documents ADD COLUMN naive tsvector GENERATED ALWAYS AS ({}) STORED"
    with pytest.raises(ProgrammingError, match="not immutable"):
        database.execute(add.format("to_tsvector('simple', array_to_string(tags, ' '))"))
    database.execute(add.format("to_tsvector('simple', title)"))
    assert database.value(file) != was


def test_the_index_finds_words_and_their_beginnings(before: Make) -> None:
    database = before("index_document_search")
    database.insert_many(
        "documents", 20000, title="CASE WHEN n % 1000 = 0 THEN 'Zebra ' ELSE 'Horse ' END || n"
    )
    database.execute("ANALYZE documents")
    query = "SELECT id FROM documents WHERE search @@ to_tsquery('simple', '{}')"
    assert "idx_documents_search" not in database.plan(query.format("zebra"))
    database.upgrade("index_document_search")
    assert "idx_documents_search" in database.plan(query.format("zebra"))
    assert "idx_documents_search" in database.plan(query.format("zeb:*"))
    # It does not serve what does not name the column, or looks inside of words.
    for other in ("to_tsvector('simple', title) @@ to_tsquery('simple', 'zebra')", "title LIKE '%ebra%'"):
        assert "idx_documents_search" not in database.plan(f"SELECT id FROM documents WHERE {other}")
