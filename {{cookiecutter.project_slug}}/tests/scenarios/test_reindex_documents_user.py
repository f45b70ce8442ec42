"""A bloated index, rebuilt while it is in use."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.support import Make

INDEX = "idx_documents_user_id_created_at_id"
SIZE = f"SELECT pg_relation_size('{INDEX}')"
INDEXES = (
    "SELECT relname, indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
    f"WHERE relname LIKE '{INDEX}%' ORDER BY 1"
)


def test_the_rebuilt_index_is_small_again_and_still_used(before: Make) -> None:
    database = before("reindex_documents_user")
    users = "(ARRAY(SELECT id FROM users ORDER BY id))[1 + n % 50]"
    database.insert_many("documents", 20000, title="'number ' || n", user_id=users)
    database.execute("DELETE FROM documents WHERE title LIKE 'number %' AND title NOT LIKE '%7'")
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE documents"))
    user = database.value("SELECT user_id FROM documents GROUP BY 1 ORDER BY count(*) LIMIT 1")
    of_user = f"SELECT id FROM documents WHERE user_id = '{user}' ORDER BY created_at, id LIMIT 20"
    found = database.column(of_user)
    bloated = database.value(SIZE)
    database.upgrade("reindex_documents_user")
    assert database.value(SIZE) < bloated / 3
    assert INDEX in database.plan(of_user)
    assert database.column(of_user) == found
    assert INDEX not in database.plan("SELECT title FROM documents ORDER BY created_at, id LIMIT 20")


def test_what_a_failed_rebuild_left_is_dropped(before: Make) -> None:
    database = before("reindex_documents_user")
    with database.engine.connect() as long_transaction, database.engine.connect() as rebuild:
        long_transaction.execute(text("LOCK TABLE documents IN ROW EXCLUSIVE MODE"))
        rebuild = rebuild.execution_options(isolation_level="AUTOCOMMIT")
        rebuild.execute(text("SET lock_timeout = '100ms'"))
        with pytest.raises(OperationalError):
            rebuild.execute(text(f"REINDEX INDEX CONCURRENTLY {INDEX}"))
    assert database.query(INDEXES) == [(INDEX, True), (f"{INDEX}_ccnew", False)]
    database.upgrade("reindex_documents_user")
    assert database.query(INDEXES) == [(INDEX, True)]


def test_an_old_index_that_was_not_dropped_after_the_swap_is_dropped_too(before: Make) -> None:
    database = before("reindex_documents_user")
    with database.engine.connect() as connection:
        build = connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(IntegrityError):
            build.execute(text(f"CREATE UNIQUE INDEX CONCURRENTLY {INDEX}_ccold ON documents ((1))"))
    assert database.query(INDEXES) == [(INDEX, True), (f"{INDEX}_ccold", False)]
    database.upgrade("reindex_documents_user")
    assert database.query(INDEXES) == [(INDEX, True)]
