"""A NOT NULL column whose value is the same for every row, and later another default."""

from tests.support import Make


def test_every_old_row_gets_the_default_without_a_rewrite(before: Make) -> None:
    database = before("add_document_priority")
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.upgrade("add_document_priority")
    assert database.column("SELECT DISTINCT priority FROM documents") == [0]
    assert database.value("SELECT pg_relation_filenode('documents')") == file


def test_a_computed_default_would_rewrite_the_table(before: Make) -> None:
    database = before("add_document_priority")
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.execute(
        "ALTER TABLE documents ADD COLUMN naive integer NOT NULL DEFAULT (random() * 9)::integer"
    )
    assert database.value("SELECT pg_relation_filenode('documents')") != file


def test_old_code_goes_on_inserting(after: Make) -> None:
    database = after("add_document_priority")
    document = database.insert("documents")
    assert database.value("SELECT priority FROM documents WHERE id = :id", id=document) == 0
