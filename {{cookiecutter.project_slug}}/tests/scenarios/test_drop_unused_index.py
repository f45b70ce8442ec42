"""An index that nothing reads: how it is found, and that nobody misses it."""

from sqlalchemy import text

from tests.support import Make

QUEUE = "SELECT title FROM documents WHERE status = 'pending' ORDER BY created_at LIMIT 10"
SCANS = "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE relname = 'documents'"


def test_the_server_counts_who_is_used_and_the_queue_does_not_miss_the_other(before: Make) -> None:
    database = before("drop_unused_index")
    database.execute("UPDATE documents SET status = 'completed'")
    database.insert_many(
        "documents",
        20000,
        title="'number ' || n",
        status="(CASE WHEN n % 200 = 0 THEN 'pending' ELSE 'completed' END)::document_status_enum",
        created_at="timestamptz '2030-01-01' + n * interval '1 minute'",
    )
    database.execute("ANALYZE documents")
    with database.engine.connect() as connection:
        queue = list(connection.scalars(text(QUEUE)))
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    scans = dict(database.query(SCANS))
    assert scans["idx_documents_pending"] > 0
    assert scans["idx_documents_status"] == 0

    plan = database.plan(QUEUE)
    database.upgrade("drop_unused_index")
    assert "idx_documents_status" not in dict(database.query(SCANS))
    assert database.plan(QUEUE) == plan
    assert database.column(QUEUE) == queue == [f"number {n}" for n in range(200, 2001, 200)]


def test_the_beginning_of_a_longer_index_is_used_as_long_as_it_is_there(after: Make) -> None:
    database = after("drop_unused_index")
    database.insert_many("documents", 20000, user_id="(ARRAY(SELECT id FROM users ORDER BY id))[1 + n % 50]")
    database.execute("CREATE INDEX superfluous ON documents (user_id)")
    database.execute("ANALYZE documents")
    user = database.value("SELECT user_id FROM documents GROUP BY 1 ORDER BY count(*) LIMIT 1")
    of_user = f"SELECT title FROM documents WHERE user_id = '{user}'"
    assert "superfluous" in database.plan(of_user)
    database.execute("DROP INDEX superfluous")
    assert "idx_documents_user_id_created_at_id" in database.plan(of_user)
