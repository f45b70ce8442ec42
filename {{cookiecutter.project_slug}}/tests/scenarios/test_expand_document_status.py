"""A label is taken out of an enum on a big live table: expand, backfill, contract."""

from typing import Any

import pytest
from sqlalchemy.exc import DataError

from tests.support import Database, Make

STEPS = ["expand_document_status", "backfill_document_status", "remove_document_status_archived"]
LABELS = ["pending", "processing", "completed", "archived", "error"]
STATUSES = "SELECT id, status::text FROM documents"


def some_of_each(database: Database) -> None:
    for label in LABELS:
        database.insert_many("documents", 3, status=f"'{label}'")


def write(database: Database, expected: dict[Any, str], label: str) -> None:
    """Insert a row with the status, give it to another, and change a third elsewhere."""
    expected[database.insert("documents", status=label)] = label
    expected[database.insert("documents")] = "pending"
    changed, touched = database.column(
        "SELECT id FROM documents ORDER BY md5(id::text || :salt) LIMIT 2", salt=f"{label} {len(expected)}"
    )
    database.execute("UPDATE documents SET status = :label WHERE id = :id", label=label, id=changed)
    database.execute("UPDATE documents SET title = 'touched' WHERE id = :id", id=touched)
    expected[changed] = label


def without_archived(expected: dict[Any, str]) -> dict[Any, str]:
    return {id_: "completed" if status == "archived" else status for id_, status in expected.items()}


def test_no_write_is_lost_on_the_way_up_and_down(before: Make) -> None:
    database = before(STEPS[0])
    some_of_each(database)
    expected: dict[Any, str] = dict(database.query(STATUSES))
    for step in STEPS[:-1]:
        database.upgrade(step)
        for label in LABELS:  # old code, which still archives, and new code, which does not
            write(database, expected, label)
        assert dict(database.query(STATUSES)) == expected
    database.upgrade(STEPS[-1])
    expected = without_archived(expected)
    assert dict(database.query(STATUSES)) == expected
    write(database, expected, "error")
    for step in reversed(STEPS):
        database.downgrade(step)
        assert dict(database.query(STATUSES)) == expected
        for label in LABELS:
            write(database, expected, label)
    database.upgrade(STEPS[-1])
    assert dict(database.query(STATUSES)) == without_archived(expected)


def test_the_backfill_reaches_every_row_of_many_batches(before: Make) -> None:
    database = before("backfill_document_status")
    database.execute("ALTER TABLE documents DISABLE TRIGGER documents_copy_status")
    database.execute("ALTER TABLE documents DROP CONSTRAINT ck_documents_new_status_not_null")
    database.insert_many("documents", 12345, status="'archived'")
    database.upgrade("backfill_document_status")
    assert database.query(
        "SELECT DISTINCT status::text, new_status::text FROM documents ORDER BY 1"
    ) == [("archived", "completed"), ("pending", "pending")]  # fmt: skip


def test_the_label_is_gone_and_so_is_what_helped(before: Make) -> None:
    database = before(STEPS[0])
    schema = database.schema()
    database.upgrade(STEPS[-1])
    assert database.schema() == schema.replace("    'archived',\n", "")
    with pytest.raises(DataError, match="invalid input value for enum"):
        database.insert("documents", status="archived")


def test_the_table_is_not_rewritten_by_the_swap(before: Make) -> None:
    database = before(STEPS[-1])
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.upgrade(STEPS[-1])
    assert database.value("SELECT pg_relation_filenode('documents')") == file


def test_the_naive_way_rewrites_it(before: Make) -> None:
    database = before(STEPS[0])
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.execute("CREATE TYPE naive AS ENUM ('pending', 'processing', 'completed', 'error')")
    database.execute(
        "ALTER TABLE documents ALTER status DROP DEFAULT, ALTER status TYPE naive USING status::text::naive"
    )
    assert database.value("SELECT pg_relation_filenode('documents')") != file
