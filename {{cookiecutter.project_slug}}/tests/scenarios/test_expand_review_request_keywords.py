"""The elements of an array become rows of a table, while code of both kinds reads and writes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support import Database, Make, wait_for

STEPS = ["expand_review_request_keywords", "backfill_review_request_topics", "drop_review_request_keywords"]
EXPAND, BACKFILL, DROP = STEPS
KEYWORDS = "SELECT keywords FROM review_requests WHERE id = :id"
# What new code reads: by request and topic.
ROWS = "SELECT review_request_id, topic_name FROM review_request_topics ORDER BY 1, 2"
FROM_ARRAYS = """
    SELECT DISTINCT id, keyword FROM review_requests, unnest(keywords) AS keyword
    WHERE keyword IS NOT NULL ORDER BY 1, 2
"""
WAITS = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def request(database: Database, keywords: Any) -> Any:
    return database.insert("review_requests", title="of a test", keywords=keywords)


def topics(database: Database, id_: Any) -> set[str]:
    return set(
        database.column("SELECT topic_name FROM review_request_topics WHERE review_request_id = :id", id=id_)
    )


def add(database: Database, id_: Any, topic: str) -> None:
    """What new code does."""
    database.execute("INSERT INTO topics (name) VALUES (:topic) ON CONFLICT DO NOTHING", topic=topic)
    database.execute("INSERT INTO review_request_topics VALUES (:id, :topic)", id=id_, topic=topic)


def remove(database: Database, id_: Any, topic: str) -> None:
    database.execute(
        "DELETE FROM review_request_topics WHERE review_request_id = :id AND topic_name = :topic",
        id=id_,
        topic=topic,
    )


@pytest.fixture(params=STEPS[:2])
def both(after: Make, request: pytest.FixtureRequest) -> Database:
    """A database at each step at which both versions run."""
    return after(request.param)


@pytest.mark.parametrize(
    "keywords",
    [None, [], ["a"], ["b", "a", "b"], ["", None, " a"], ["ünï", "🦊", 'a,"b"', "x{}"], ["k" * 2000]],
    ids=lambda value: repr(value)[:20],
)
def test_what_old_code_writes_new_code_finds(both: Database, keywords: list[str | None] | None) -> None:
    id_ = request(both, ["z", "b"])
    assert topics(both, id_) == {"z", "b"}
    both.execute("UPDATE review_requests SET keywords = :keywords WHERE id = :id", keywords=keywords, id=id_)
    assert topics(both, id_) == {keyword for keyword in keywords or [] if keyword is not None}
    assert both.value(KEYWORDS, id=id_) == keywords, "old code finds what it has written"


def test_what_new_code_writes_old_code_finds(both: Database) -> None:
    id_ = request(both, ["c", None, "a", "c"])
    add(both, id_, "b")
    assert both.value(KEYWORDS, id=id_) == ["c", None, "a", "c", "b"]
    remove(both, id_, "c")
    assert both.value(KEYWORDS, id=id_) == [None, "a", "b"]
    both.execute("UPDATE topics SET name = 'A' WHERE name = 'a'")
    assert both.value(KEYWORDS, id=id_) == [None, "A", "b"]
    both.execute("DELETE FROM topics WHERE name = 'A'")
    assert both.value(KEYWORDS, id=id_) == [None, "b"]
    both.execute("INSERT INTO topics VALUES ('d')")
    both.execute("UPDATE review_request_topics SET topic_name = 'd' WHERE review_request_id = :id", id=id_)
    assert (both.value(KEYWORDS, id=id_), topics(both, id_)) == ([None, "d"], {"d"})


def test_new_code_that_is_early_loses_no_keyword_of_a_request_that_is_not_filled(before: Make) -> None:
    database = before(EXPAND)
    added, removed = request(database, ["a", "b"]), request(database, ["a", "b"])
    database.upgrade(EXPAND)
    add(database, added, "c")
    remove(database, removed, "a")  # it finds none: that is why new code comes after the backfill
    assert topics(database, added) == {"a", "b", "c"}
    database.upgrade(BACKFILL)
    assert (topics(database, added), topics(database, removed)) == ({"a", "b", "c"}, {"a", "b"})
    assert database.query(ROWS) == database.query(FROM_ARRAYS)


def test_neither_loses_a_write_on_the_way_up_and_down(before: Make) -> None:
    database = before(EXPAND)
    database.insert_many("review_requests", 5432, keywords="ARRAY['x' || n % 99, 'tax', NULL]")
    arrays = "SELECT id, keywords FROM review_requests ORDER BY id"
    was = database.query(arrays)
    database.upgrade(BACKFILL)
    assert database.query(arrays) == was
    rows = database.query(ROWS)
    assert len(rows) > 10000
    assert rows == database.query(FROM_ARRAYS)
    id_ = request(database, ["old 1"])
    add(database, id_, "new 1")
    database.upgrade(DROP)
    assert topics(database, id_) == {"old 1", "new 1"}
    add(database, id_, "new 2")
    remove(database, id_, "old 1")
    rows = database.query(ROWS)
    database.downgrade(DROP)
    assert database.query(ROWS) == rows == database.query(FROM_ARRAYS)
    database.execute("UPDATE review_requests SET keywords = ARRAY['old 2', 'new 2'] WHERE id = :id", id=id_)
    assert topics(database, id_) == {"old 2", "new 2"}
    database.downgrade(EXPAND)
    assert database.value(KEYWORDS, id=id_) == ["old 2", "new 2"]
    database.upgrade(DROP)
    assert topics(database, id_) == {"old 2", "new 2"}


def test_two_sessions_that_each_add_a_topic_at_once_both_keep_theirs(both: Database) -> None:
    id_ = request(both, ["a"])
    both.execute("INSERT INTO topics VALUES ('one'), ('two') ON CONFLICT DO NOTHING")
    with ThreadPoolExecutor(1) as thread, both.engine.connect() as first:
        first.execute(text("INSERT INTO review_request_topics VALUES (:id, 'one')"), {"id": id_})
        second = thread.submit(add, both, id_, "two")
        wait_for(lambda: second.done() or both.query(WAITS))
        first.commit()
        second.result()
    assert (topics(both, id_), both.value(KEYWORDS, id=id_)) == ({"a", "one", "two"}, ["a", "one", "two"])


def test_the_backfill_waits_for_old_code_and_brings_nothing_back(before: Make) -> None:
    database = before(BACKFILL)
    database.execute("ALTER TABLE review_requests DISABLE TRIGGER review_requests_to_topics")
    id_ = request(database, ["gone"])
    database.execute("ALTER TABLE review_requests ENABLE TRIGGER review_requests_to_topics")
    with database.engine.connect() as code:
        code.execute(text("UPDATE review_requests SET keywords = '{kept}' WHERE id = :id"), {"id": id_})
        with database.while_it_waits(BACKFILL):
            code.commit()
    assert topics(database, id_) == {"kept"}


def test_a_request_can_be_deleted_at_every_step(before: Make) -> None:
    database = before(EXPAND)
    for step in STEPS:
        id_ = request(database, ["a", "b"]) if step != DROP else database.insert("review_requests")
        database.upgrade(step)
        database.execute("DELETE FROM review_requests WHERE id = :id", id=id_)
        assert topics(database, id_) == set()


def test_the_triggers_find_their_tables_whatever_the_search_path_of_the_writer(both: Database) -> None:
    id_ = request(both, ["a"])
    with both.engine.begin() as code:
        code.execute(text("SET LOCAL search_path = ''"))
        code.execute(text("UPDATE public.review_requests SET keywords = '{b,c}' WHERE id = :id"), {"id": id_})
        code.execute(text("DELETE FROM public.topics WHERE name = 'c'"))
    assert (topics(both, id_), both.value(KEYWORDS, id=id_)) == ({"b"}, ["b"])


def test_a_keyword_that_is_no_key_is_refused_as_announced(both: Database) -> None:
    with pytest.raises(DBAPIError, match="index row"):
        both.execute(
            "INSERT INTO review_requests (title, keywords) "
            "SELECT 'long', ARRAY[string_agg(md5(n::text), '')] FROM generate_series(1, 200) AS n"
        )
