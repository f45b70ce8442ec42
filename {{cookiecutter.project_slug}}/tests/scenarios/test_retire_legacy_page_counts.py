"""A table is closed to writes, renamed and dropped, with a way back at each step."""

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from tests.support import Make

READ = "SELECT sum(pages) FROM legacy_page_counts"
WRITES = [
    "INSERT INTO legacy_page_counts SELECT id, 1 FROM documents LIMIT 1 ON CONFLICT DO NOTHING",
    "UPDATE legacy_page_counts SET pages = 0 WHERE false",
    "DELETE FROM legacy_page_counts",
    "TRUNCATE legacy_page_counts",
]


def test_the_table_holds_what_the_query_gave_and_has_a_key(after: Make) -> None:
    database = after("create_legacy_page_counts")
    assert database.value(READ) == database.value("SELECT count(*) FROM document_pages")
    document = database.value("SELECT document_id FROM legacy_page_counts LIMIT 1")
    with pytest.raises(IntegrityError, match="pk_legacy_page_counts"):
        database.execute("INSERT INTO legacy_page_counts VALUES (:document, 1)", document=document)
    with pytest.raises(IntegrityError, match="null value"):
        database.execute("UPDATE legacy_page_counts SET pages = NULL")


@pytest.mark.parametrize("write", WRITES)
def test_who_still_writes_is_found_and_nothing_is_lost(after: Make, write: str) -> None:
    database = after("retire_legacy_page_counts")
    pages = database.value(READ)
    with pytest.raises(DBAPIError, match="closed to writes") as failed:
        database.execute(write)
    assert failed.value.orig.sqlstate == "25006"  # type: ignore[union-attr]
    assert database.value(READ) == pages
    database.downgrade("retire_legacy_page_counts")
    database.execute(write)


def test_who_still_reads_is_found_and_the_rows_are_an_instant_away(after: Make) -> None:
    database = after("rename_legacy_page_counts")
    with pytest.raises(ProgrammingError, match='"legacy_page_counts" does not exist'):
        database.value(READ)
    database.downgrade("rename_legacy_page_counts")
    assert database.value(READ) > 0
    with pytest.raises(DBAPIError, match="closed to writes"):
        database.execute(WRITES[2])


def test_it_is_not_dropped_while_something_is_built_upon_it(before: Make) -> None:
    database = before("drop_legacy_page_counts")
    database.execute("CREATE VIEW long_ones AS SELECT * FROM legacy_page_counts_retired WHERE pages > 100")
    with pytest.raises(DBAPIError, match="view long_ones depends on table"):
        database.upgrade("drop_legacy_page_counts")
    database.execute("DROP VIEW long_ones")
    database.upgrade("drop_legacy_page_counts")
    database.downgrade("drop_legacy_page_counts")
    assert database.query("SELECT FROM legacy_page_counts_retired") == []
    with pytest.raises(DBAPIError, match="closed to writes"):
        database.execute("INSERT INTO legacy_page_counts_retired SELECT id, 1 FROM documents LIMIT 1")
