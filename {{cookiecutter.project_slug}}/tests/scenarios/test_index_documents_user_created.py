"""An index of two columns: one to search by, one to sort by."""

from tests.support import Make


def test_the_newest_documents_of_a_user_are_read_in_order_and_not_sorted(before: Make) -> None:
    database = before("index_documents_user_created")
    database.insert_many(
        "documents",
        20000,
        user_id="(ARRAY(SELECT id FROM users ORDER BY id))[1 + n % 50]",
        created_at="timestamptz '2030-01-01' + n * 7919 % 20000 * interval '1 minute'",
    )
    database.execute("ANALYZE documents")
    user = database.value("SELECT user_id FROM documents GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    newest = f"SELECT id FROM documents WHERE user_id = '{user}' ORDER BY created_at DESC LIMIT 20"
    assert "Sort" in database.plan(newest)
    found = database.column(newest)
    database.upgrade("index_documents_user_created")
    plan = database.plan(newest)
    assert "Index Scan Backward using idx_documents_user_id_created_at" in plan
    assert "Sort" not in plan
    assert database.column(newest) == found
    # The order is an order of each user's documents, not of all.
    of_all = "SELECT id FROM documents ORDER BY created_at DESC LIMIT 20"
    assert "idx_documents_user_id_created_at" not in database.plan(of_all)
