"""A table that goes, after the code that knew it."""

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support import Make


def test_the_way_back_brings_the_table_and_its_numbering_but_not_its_rows(before: Make) -> None:
    database = before("drop_legacy_exports")
    assert database.value("SELECT count(*) FROM legacy_exports") > 0
    database.upgrade("drop_legacy_exports")
    assert "legacy_exports" not in database.tables()
    database.downgrade("drop_legacy_exports")
    assert database.value("SELECT count(*) FROM legacy_exports") == 0
    assert [database.insert("legacy_exports", document_id=None) for _ in range(2)] == [1, 2]


def test_a_view_over_it_stops_the_revision_and_nothing_is_lost(before: Make) -> None:
    database = before("drop_legacy_exports")
    exports = database.value("SELECT count(*) FROM legacy_exports")
    database.execute("CREATE VIEW exported AS SELECT document_id FROM legacy_exports")
    with pytest.raises(DBAPIError, match="view exported depends on table legacy_exports"):
        database.upgrade("drop_legacy_exports")
    assert database.value("SELECT count(*) FROM exported") == exports


def test_the_naive_way_takes_along_what_was_forgotten(before: Make) -> None:
    database = before("drop_legacy_exports")
    database.execute("CREATE VIEW exported AS SELECT document_id FROM legacy_exports")
    database.execute("DROP TABLE legacy_exports CASCADE")
    assert database.value("SELECT to_regclass('exported')") is None
