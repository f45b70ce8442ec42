"""A materialized view, refreshed while it is read."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support import Make

COUNTED = (
    "SELECT user_id, count(*), sum(file_size)::bigint, max(created_at) "
    "FROM documents WHERE deleted_at IS NULL GROUP BY user_id ORDER BY user_id"
)
STORED = "SELECT user_id, documents, total_size, latest FROM document_stats ORDER BY user_id"
REFRESH = "REFRESH MATERIALIZED VIEW CONCURRENTLY document_stats"


def test_it_is_filled_from_the_start_and_up_to_date_after_a_refresh(after: Make) -> None:
    database = after("create_document_stats")
    assert database.query(STORED) == database.query(COUNTED) != []
    stale = database.query(STORED)
    database.insert("documents", file_size=12345)
    assert database.query(STORED) == stale
    database.execute(REFRESH)
    assert database.query(STORED) == database.query(COUNTED) != stale


def test_readers_go_on_while_it_is_refreshed(after: Make) -> None:
    database = after("create_document_stats")
    stored = database.query(STORED)
    with database.engine.connect() as refresh, database.engine.connect() as reader:
        refresh.execute(text(REFRESH))
        reader.execute(text("SET lock_timeout = '1s'"))
        assert [tuple(row) for row in reader.execute(text(STORED))] == stored


def test_a_plain_refresh_keeps_them_waiting(after: Make) -> None:
    database = after("create_document_stats")
    with database.engine.connect() as refresh, database.engine.connect() as reader:
        refresh.execute(text("REFRESH MATERIALIZED VIEW document_stats"))
        reader.execute(text("SET lock_timeout = '100ms'"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            reader.execute(text(STORED))


def test_without_the_unique_index_it_cannot_be_refreshed_beside_readers(after: Make) -> None:
    database = after("create_document_stats")
    database.execute("DROP INDEX uq_document_stats_user_id")
    with pytest.raises(DBAPIError, match="unique index"):
        database.execute(REFRESH)


def test_one_that_is_created_empty_cannot_be_read_nor_refreshed_beside_readers(after: Make) -> None:
    database = after("create_document_stats")
    database.execute(
        "CREATE MATERIALIZED VIEW naive AS SELECT user_id FROM documents GROUP BY 1 WITH NO DATA"
    )
    database.execute("CREATE UNIQUE INDEX ON naive (user_id)")
    with pytest.raises(DBAPIError, match="has not been populated"):
        database.query("SELECT * FROM naive")
    with pytest.raises(DBAPIError, match="not populated"):
        database.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY naive")
    database.execute("REFRESH MATERIALIZED VIEW naive")
    database.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY naive")


def test_dropped_and_brought_back_it_counts_anew(after: Make) -> None:
    database = after("drop_document_stats")
    assert database.value("SELECT to_regclass('document_stats')") is None
    database.insert("documents", file_size=12345)
    database.downgrade("drop_document_stats")
    assert database.query(STORED) == database.query(COUNTED)
    database.execute(REFRESH)
