"""A backfill that keeps its place in a table: it is stopped, gone on with, paused and slowed down."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.support import Database, Make, wait_for

STEPS = ["throttle_document_page_characters", "backfill_document_page_characters", "drop_characters_backfill"]
WRONG = "SELECT count(*) FROM document_pages WHERE characters IS DISTINCT FROM length(text)"
KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def many(before: Make) -> Database:
    """A database with some thousand pages, whose next revision is the backfill."""
    database = before(STEPS[1])
    database.insert_many("document_pages", 5000, page_number="100000 + n", text="repeat('x', n % 50)")
    return database


def state(database: Database) -> dict[str, Any]:
    """Return the one row."""
    with database.engine.begin() as connection:
        return dict(connection.execute(text("SELECT * FROM characters_backfill")).mappings().one())


@contextmanager
def running(database: Database) -> Iterator[Future[None]]:
    """Run the backfill beside a block, until it has come to its end."""
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(database.upgrade, STEPS[1])
        yield run
        run.result()


def test_old_and_new_code_write_until_it_ends_and_no_text_is_without_its_characters(before: Make) -> None:
    database = before(STEPS[0])
    database.upgrade(STEPS[0])
    old = database.insert("document_pages", page_number=1001, text="by old code")
    new = database.insert("document_pages", page_number=1002, text="by new code", characters=11)
    place = "SELECT ctid::text FROM document_pages WHERE id = :id"
    there = database.value(place, id=new)
    left = database.value("SELECT count(text) FROM document_pages") - 1
    database.upgrade(STEPS[1])
    assert database.value(WRONG) == 0
    assert database.value("SELECT characters FROM document_pages WHERE id = :id", id=old) == 11
    assert database.value(place, id=new) == there
    assert state(database)["filled"] == left
    assert state(database)["ended_at"]
    database.upgrade(STEPS[2])
    database.insert("document_pages", page_number=1003, text="later", characters=5)
    assert database.value(WRONG) == 0


def test_after_the_way_back_it_goes_over_the_whole_table_again(after: Make) -> None:
    database = after(STEPS[2])
    database.downgrade(STEPS[1])
    database.execute("UPDATE document_pages SET characters = NULL")
    database.upgrade(STEPS[1])
    assert database.value(WRONG) == 0


def test_a_run_that_is_killed_loses_nothing_and_the_next_one_goes_on_from_the_key(many: Database) -> None:
    texts = many.value("SELECT count(text) FROM document_pages")
    with many.engine.connect() as code:
        code.execute(text("SELECT FROM document_pages ORDER BY id DESC LIMIT 1 FOR UPDATE"))
        with pytest.raises(OperationalError, match="terminating connection"), many.while_it_waits(STEPS[1]):
            many.query(KILL)
        code.rollback()
    stopped = state(many)
    assert 0 < stopped["filled"] < texts
    key = "WHERE id < CAST(:key AS uuid) AND text IS NOT NULL"
    done = many.value(f"SELECT count(characters) FROM document_pages {key}", key=stopped["next_key"])
    assert done == many.value("SELECT count(characters) FROM document_pages") == stopped["filled"]
    seen = many.value(f"SELECT id FROM document_pages {key} LIMIT 1", key=stopped["next_key"])
    many.execute("UPDATE document_pages SET characters = NULL WHERE id = :id", id=seen)
    many.upgrade(STEPS[1])
    # What the first run has done, the second one does not look at again.
    assert many.column("SELECT id FROM document_pages WHERE characters IS DISTINCT FROM length(text)") == [
        seen
    ]
    assert state(many)["filled"] == texts


def test_an_operator_pauses_it_and_lets_it_go_on(many: Database) -> None:
    many.execute("UPDATE characters_backfill SET paused = true")
    with running(many) as run:
        wait_for(lambda: run.done() or state(many)["waits_for"] == "an operator")
        assert many.value("SELECT count(characters) FROM document_pages") == 0
        many.execute("UPDATE characters_backfill SET paused = false")
    assert many.value(WRONG) == 0
    assert state(many)["waits_for"] is None


def test_an_operator_slows_it_down_while_it_runs_and_its_pauses_lock_nothing(many: Database) -> None:
    many.execute("UPDATE characters_backfill SET rest = 100")
    with running(many) as run:
        wait_for(lambda: run.done() or state(many)["filled"])
        assert not run.done()
        assert not state(many)["ended_at"]
        many.execute(
            "SET lock_timeout = '100ms'; UPDATE document_pages SET text = text || '.', characters = NULL"
        )
        many.execute("SET lock_timeout = '100ms'; UPDATE characters_backfill SET rest = 0")
    assert state(many)["ended_at"]


def test_an_operator_who_leaves_a_transaction_open_holds_up_no_code(many: Database) -> None:
    with many.engine.connect() as operator:
        operator.execute(text("UPDATE characters_backfill SET rest = 0"))
        with many.while_it_waits(STEPS[1]):
            many.execute("SET lock_timeout = '100ms'; UPDATE document_pages SET page_number = -page_number")
            operator.commit()
    assert many.value(WRONG) == 0
