"""One index in place of two, without a moment that has none."""

import pytest

from tests.support import Database, Make

PAGE = (
    "SELECT created_at, id FROM documents WHERE user_id = '{user}' AND (created_at, id) < ({after}) "
    "ORDER BY created_at DESC, id DESC LIMIT 20"
)
NEWEST = "'infinity'::timestamptz, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"


@pytest.fixture
def database(before: Make) -> Database:
    """Twenty thousand documents of fifty users, fifty of them at each moment."""
    database = before("replace_documents_user_index")
    database.insert_many(
        "documents",
        20000,
        user_id="(ARRAY(SELECT id FROM users ORDER BY id))[1 + n % 50]",
        created_at="timestamptz '2030-01-01' + n % 8 * interval '1 minute'",
    )
    database.execute("ANALYZE documents")
    return database


def test_pages_follow_each_other_without_a_gap_a_repetition_or_a_sort(database: Database) -> None:
    database.upgrade("replace_documents_user_index")
    user = database.value("SELECT user_id FROM documents GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    plan = database.plan(PAGE.format(user=user, after=NEWEST))
    assert "idx_documents_user_id_created_at_id" in plan
    assert "Sort" not in plan
    seen: list[object] = []
    after = NEWEST
    while page := database.query(PAGE.format(user=user, after=after)):
        seen += [id_ for _, id_ in page]
        after = f"'{page[-1][0].isoformat()}'::timestamptz, '{page[-1][1]}'::uuid"
        if len(seen) >= 200:
            break
    of_user = "SELECT id FROM documents WHERE user_id = :user ORDER BY created_at DESC, id DESC LIMIT 200"
    assert seen == database.column(of_user, user=user)


def test_the_foreign_key_still_has_an_index(database: Database) -> None:
    database.upgrade("replace_documents_user_index")
    user = database.value("SELECT user_id FROM documents GROUP BY 1 ORDER BY count(*) LIMIT 1")
    deletion = f"DELETE FROM documents WHERE user_id = '{user}'"
    assert "idx_documents_user_id_created_at_id" in database.plan(deletion)
    # What the index does not begin with, it does not find.
    by_id = "SELECT title FROM documents WHERE id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'"
    assert "idx_documents_user_id_created_at_id" not in database.plan(by_id)


@pytest.mark.parametrize("statements", range(6))
def test_at_every_moment_some_index_finds_the_documents_of_a_user(before: Make, statements: int) -> None:
    database = before("replace_documents_user_index")
    database.crash("replace_documents_user_index", statements)
    assert database.value(
        "SELECT count(*) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] "
        "WHERE indrelid = 'documents'::regclass AND indisvalid AND attname = 'user_id'"
    )
