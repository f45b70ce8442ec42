"""A column that goes, after the code that knew it."""

import pytest
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.support import Make


def test_only_that_column_goes_and_no_row_is_touched(before: Make) -> None:
    database = before("drop_document_legacy_status")
    rest = "SELECT to_jsonb(d) - 'legacy_status', d.ctid::text FROM documents d ORDER BY id"
    earlier = database.query(rest)
    database.upgrade("drop_document_legacy_status")
    assert database.query(rest) == earlier


def test_the_way_back_brings_the_column_and_not_its_values(before: Make) -> None:
    database = before("drop_document_legacy_status")
    assert database.value("SELECT count(legacy_status) FROM documents") > 0
    database.upgrade("drop_document_legacy_status")
    database.downgrade("drop_document_legacy_status")
    assert database.column("SELECT DISTINCT legacy_status FROM documents") == [None]
    old = database.insert("documents", legacy_status="done")
    assert database.value("SELECT legacy_status FROM documents WHERE id = :id", id=old) == "done"


def test_code_whose_model_has_the_column_fails_on_every_document(after: Make) -> None:
    database = after("drop_document_legacy_status")
    with pytest.raises(ProgrammingError, match='column "legacy_status" does not exist'):
        database.query("SELECT id, title, legacy_status FROM documents")


def test_an_index_over_it_and_another_column_goes_without_a_word(before: Make) -> None:
    database = before("drop_document_legacy_status")
    database.execute("CREATE INDEX idx_test ON documents (user_id, legacy_status)")
    database.upgrade("drop_document_legacy_status")
    assert database.value("SELECT to_regclass('idx_test')") is None


def test_a_view_over_it_stops_the_revision_and_nothing_is_lost(before: Make) -> None:
    database = before("drop_document_legacy_status")
    database.execute("CREATE VIEW done AS SELECT id FROM documents WHERE legacy_status = 'done'")
    with pytest.raises(DBAPIError, match="view done depends on column legacy_status"):
        database.upgrade("drop_document_legacy_status")
    assert database.value("SELECT count(*) FROM done") > 0
