"""Another name for a label of an enum."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from tests.support import Make

STATUSES = "SELECT id, status::text FROM documents ORDER BY id"


def test_every_row_says_the_new_name_and_none_is_written(before: Make) -> None:
    database = before("rename_document_status_failed")
    for status in ("archived", "failed", "failed"):
        database.insert("documents", status=status)
    earlier = database.query(STATUSES)
    versions = database.query("SELECT id, xmin::text, ctid::text FROM documents ORDER BY id")
    database.upgrade("rename_document_status_failed")
    assert database.query(STATUSES) == [
        (id_, "error" if status == "failed" else status) for id_, status in earlier
    ]
    assert database.query("SELECT id, xmin::text, ctid::text FROM documents ORDER BY id") == versions
    database.downgrade("rename_document_status_failed")
    assert database.query(STATUSES) == earlier


def test_nobody_waits_for_it(before: Make) -> None:
    database = before("rename_document_status_failed")
    with database.engine.connect() as busy:
        busy.execute(text("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE"))
        database.upgrade("rename_document_status_failed")


def test_code_that_says_the_old_name_breaks(after: Make) -> None:
    database = after("rename_document_status_failed")
    with pytest.raises(DataError, match="invalid input value for enum"):
        database.query("SELECT id FROM documents WHERE status = 'failed'")
