"""The planner knows how two columns go together, and estimates what is there."""

import re

from tests.support import Database, Make

# Each user files all they have under one category.
FILED = """
    INSERT INTO documents (user_id, title, category_id)
    SELECT u.id, 'filed', c.id
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM users) AS u
    JOIN (
        SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS all_of FROM categories
    ) AS c ON c.n = u.n % all_of, generate_series(1, 200)
"""
PAIR = "SELECT user_id, category_id, count(*) FROM documents GROUP BY 1, 2 ORDER BY 1 LIMIT 1"
PAIRS = "SELECT user_id, category_id FROM documents GROUP BY 1, 2"


def filed(database: Database) -> Database:
    database.execute("DELETE FROM documents")
    database.execute(FILED)
    database.execute("ANALYZE documents")
    return database


def estimate(database: Database, query: str) -> int:
    """Return how many rows the planner expects."""
    [first, *_] = re.findall(r"rows=(\d+)", database.plan(query))
    return int(first)


def test_the_estimate_of_two_columns_is_right_where_it_was_far_too_low(before: Make) -> None:
    database = filed(before("create_document_statistics"))
    user, category, count = database.query(PAIR)[0]
    query = f"SELECT FROM documents WHERE user_id = '{user}' AND category_id = {category}"
    assert estimate(database, query) < count / 3
    database.upgrade("create_document_statistics")
    assert count / 1.5 < estimate(database, query) < count * 1.5
    database.downgrade("create_document_statistics")
    assert estimate(database, query) < count / 3


def test_the_number_of_groups_is_right_where_it_was_far_too_high(before: Make) -> None:
    database = filed(before("create_document_statistics"))
    pairs = len(database.query(PAIRS))
    assert estimate(database, PAIRS) > 3 * pairs
    database.upgrade("create_document_statistics")
    assert estimate(database, PAIRS) == pairs
