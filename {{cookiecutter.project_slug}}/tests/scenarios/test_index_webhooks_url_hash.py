"""A hash index: long values, looked up by equality."""

import pytest
from sqlalchemy.exc import OperationalError

from tests.support import Make

URL = "SELECT name FROM webhooks WHERE url = 'https://example.com/many/777'"
LONG = "(SELECT 'https://example.com/' || string_agg(md5(g::text), '') FROM generate_series(1, 200) g)"


def test_the_index_finds_a_url_and_answers_no_other_question(before: Make) -> None:
    database = before("index_webhooks_url_hash")
    database.insert_many("webhooks", 20000, name="'Number ' || n", url="'https://example.com/many/' || n")
    database.execute("ANALYZE webhooks")
    assert "idx_webhooks_url" not in database.plan(URL)
    database.upgrade("index_webhooks_url_hash")
    assert "idx_webhooks_url" in database.plan(URL)
    assert database.column(URL) == ["Number 777"]
    for other in ("WHERE url LIKE 'https://example.com/many/77%'", "ORDER BY url LIMIT 20"):
        assert "idx_webhooks_url" not in database.plan(f"SELECT name FROM webhooks {other}")


def test_a_url_may_be_as_long_as_it_likes(after: Make) -> None:
    database = after("index_webhooks_url_hash")
    database.insert_many("webhooks", 1, url=LONG, is_active="false")
    assert database.value(f"SELECT count(*) FROM webhooks WHERE url = {LONG}") == 1


def test_a_b_tree_would_refuse_it(after: Make) -> None:
    database = after("index_webhooks_url_hash")
    database.execute("CREATE INDEX naive ON webhooks (url)")
    with pytest.raises(OperationalError, match="exceeds btree"):
        database.insert_many("webhooks", 1, url=LONG, is_active="false")
