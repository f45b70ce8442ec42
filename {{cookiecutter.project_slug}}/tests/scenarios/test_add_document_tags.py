"""An array column, and the index that searches it."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.support import Make

SEARCH = "SELECT id FROM documents WHERE tags @> ARRAY['rare']"


def test_old_rows_have_no_tags_rather_than_null(before: Make) -> None:
    database = before("add_document_tags")
    documents = database.value("SELECT count(*) FROM documents")
    database.upgrade("add_document_tags")
    assert database.value("SELECT count(*) FROM documents WHERE tags = '{}'") == documents


def test_the_table_is_not_rewritten(before: Make) -> None:
    database = before("add_document_tags")
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.upgrade("add_document_tags")
    assert database.value("SELECT pg_relation_filenode('documents')") == file


def test_old_code_goes_on_inserting(after: Make) -> None:
    database = after("add_document_tags")
    document = database.insert("documents")
    assert database.value("SELECT tags FROM documents WHERE id = :id", id=document) == []


def test_the_index_finds_documents_by_tag(before: Make) -> None:
    database = before("index_document_tags")
    tags = "CASE WHEN n % 1000 = 0 THEN ARRAY['rare'] ELSE ARRAY['common', n::text] END"
    database.insert_many("documents", 20000, tags=tags)
    database.execute("ANALYZE documents")
    assert "idx_documents_tags" not in database.plan(SEARCH)
    database.upgrade("index_document_tags")
    assert "idx_documents_tags" in database.plan(SEARCH)
    # Not every question about tags: that one wants a B-tree, or another operator.
    assert "idx_documents_tags" not in database.plan("SELECT id FROM documents WHERE 'rare' = ANY (tags)")


def test_documents_are_written_while_the_index_is_built(before: Make) -> None:
    database = before("index_document_tags")
    write = text("UPDATE documents SET tags = ARRAY['meanwhile'] WHERE id = :id")
    one, other = database.column("SELECT id FROM documents LIMIT 2")
    with database.engine.connect() as long_transaction:
        long_transaction.execute(
            write, {"id": one}
        )  # the build has to wait for this one, and goes on waiting
        build = threading.Thread(target=database.upgrade, args=["index_document_tags"])
        build.start()
        while not database.query(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'"
        ):
            assert build.is_alive()
        with database.engine.begin() as writer:
            writer.execute(text("SET LOCAL lock_timeout = '1s'"))
            writer.execute(write, {"id": other})
        long_transaction.commit()
    build.join()
    assert set(database.column("SELECT id FROM documents WHERE tags = ARRAY['meanwhile']")) == {one, other}


def test_an_index_that_failed_to_build_is_built_again(before: Make) -> None:
    database = before("index_document_tags")
    with database.engine.connect() as long_transaction, database.engine.connect() as build:
        long_transaction.execute(text("LOCK TABLE documents IN ROW EXCLUSIVE MODE"))
        build = build.execution_options(isolation_level="AUTOCOMMIT")
        build.execute(text("SET lock_timeout = '100ms'"))
        with pytest.raises(OperationalError):
            build.execute(text("CREATE INDEX CONCURRENTLY idx_documents_tags ON documents (name)"))
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_documents_tags'::regclass"
    assert database.value(valid) is False
    database.upgrade("index_document_tags")
    assert database.value(valid) is True
    assert "USING gin (tags)" in database.value("SELECT pg_get_indexdef('idx_documents_tags'::regclass)")
