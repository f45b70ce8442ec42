"""A covering index: a list that is answered from the index alone."""

import pytest
from sqlalchemy import text

from tests.support import Database, Make

LIST = (
    "SELECT created_at, user_id, title FROM documents "
    "WHERE deleted_at IS NULL ORDER BY created_at DESC LIMIT 50"
)


def vacuum(database: Database) -> None:
    with database.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        # No page is all visible before the commits of its rows are on disk: one commit that
        # waits for the disk takes the earlier ones along.
        connection.execute(text("SET synchronous_commit = on"))
        connection.execute(text("ANALYZE documents"))
        # And none that an index still points to a dead row of; VACUUM puts off a few of them.
        connection.execute(text("VACUUM (INDEX_CLEANUP ON) documents"))


@pytest.fixture
def database(before: Make) -> Database:
    """Twenty thousand documents, every third of them deleted."""
    database = before("index_documents_list_covering")
    database.insert_many(
        "documents",
        20000,
        title="'number ' || n",
        created_at="timestamptz '9999-01-01' + n * interval '1 minute'",
        deleted_at="CASE WHEN n % 3 = 0 THEN now() END",
    )
    vacuum(database)
    return database


def test_the_list_is_read_from_the_index_alone(database: Database) -> None:
    found = set(database.query(LIST))
    assert "idx_documents_list" not in database.plan(LIST)
    database.upgrade("index_documents_list_covering")
    assert "Index Only Scan Backward using idx_documents_list" in database.plan(LIST)
    assert "Heap Fetches: 0" in database.plan(f"(ANALYZE) {LIST}")
    assert set(database.query(LIST)) == found


def test_pages_that_changed_are_read_until_the_next_vacuum(database: Database) -> None:
    database.upgrade("index_documents_list_covering")
    database.execute("UPDATE documents SET title = 'changed' WHERE title = 'number 20000'")
    assert "Heap Fetches: 0" not in database.plan(f"(ANALYZE) {LIST}")
    assert "changed" in [title for _, _, title in database.query(LIST)]
    vacuum(database)
    assert "Heap Fetches: 0" in database.plan(f"(ANALYZE) {LIST}")


def test_one_more_column_and_the_table_is_read_again(database: Database) -> None:
    database.upgrade("index_documents_list_covering")
    plan = database.plan(LIST.replace("title", "title, priority"))
    assert "Index Only Scan" not in plan


def test_the_trash_is_not_in_it(database: Database) -> None:
    database.upgrade("index_documents_list_covering")
    assert "idx_documents_list" not in database.plan(LIST.replace("IS NULL", "IS NOT NULL"))
