"""A partial index: only the rows that are searched for."""

import pytest
from sqlalchemy import text

from tests.support import Database, Make

QUEUE = "SELECT id FROM documents WHERE status = 'pending' ORDER BY created_at, title LIMIT 10"
NEXT = "SELECT id FROM documents WHERE status = 'pending' ORDER BY created_at LIMIT 10"


@pytest.fixture
def database(before: Make) -> Database:
    """Twenty thousand documents, some of which wait."""
    database = before("index_documents_pending")
    database.execute("UPDATE documents SET status = 'completed'")
    database.insert_many(
        "documents",
        20000,
        status="(CASE WHEN n % 200 = 0 THEN 'pending' WHEN n % 200 = 1 THEN 'error' "
        "ELSE 'completed' END)::document_status_enum",
        created_at="timestamptz '2030-01-01' + n * interval '1 minute'",
    )
    database.execute("ANALYZE documents")
    return database


def test_the_queue_is_read_in_order_and_not_sorted(database: Database) -> None:
    assert "Sort" in database.plan(NEXT)
    found = database.column(QUEUE)
    database.upgrade("index_documents_pending")
    assert "idx_documents_pending" in database.plan(NEXT)
    assert "Sort" not in database.plan(NEXT)
    assert database.column(QUEUE) == found
    # Rows that are not in it cannot be found by it.
    assert "idx_documents_pending" not in database.plan(NEXT.replace("pending", "error"))


def test_it_holds_the_queue_and_nothing_else(database: Database) -> None:
    database.upgrade("index_documents_pending")
    size = "SELECT pg_relation_size(CAST(:index AS regclass))"
    database.execute("CREATE INDEX naive ON documents (created_at)")
    assert database.value(size, index="idx_documents_pending") < database.value(size, index="naive") / 10
    entries = "SELECT reltuples FROM pg_class WHERE relname = 'idx_documents_pending'"
    assert database.value(entries) == 100


def test_a_status_that_the_planner_does_not_know_passes_it_over(database: Database) -> None:
    database.upgrade("index_documents_pending")
    with database.engine.connect() as connection:
        connection.execute(text("SET plan_cache_mode = force_generic_plan"))
        statement = NEXT.replace("'pending'", "$1")
        connection.execute(text(f"PREPARE next (document_status_enum) AS {statement}"))
        plan = "\n".join(connection.scalars(text("EXPLAIN EXECUTE next ('pending')")))
    assert "idx_documents_pending" not in plan
