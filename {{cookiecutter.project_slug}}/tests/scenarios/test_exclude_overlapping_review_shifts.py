"""Nobody gets a desk that another one has at the same time, however close together they ask."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import Database, Make, wait_for

INSERT = """
    INSERT INTO review_shifts (user_id, desk, starts_at, ends_at)
    SELECT id, :desk, CAST(:begin AS timestamptz), CAST(:end AS timestamptz) FROM users LIMIT 1
"""
MORNING = {"desk": "Z9", "begin": "2026-03-02 08:00+00", "end": "2026-03-02 12:00+00"}


def book(database: Database, **other: str) -> None:
    database.execute(INSERT, **MORNING | other)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"begin": "2026-03-02 11:59:59.999999+00", "end": "2026-03-02 13:00+00"},
        {"begin": "-infinity", "end": "infinity"},
        {"begin": "2026-03-02 09:00+01", "end": "2026-03-02 09:30+01"},
    ],
    ids=str,
)
def test_the_same_desk_at_the_same_time_is_refused(after: Make, other: dict[str, str]) -> None:
    database = after("exclude_overlapping_review_shifts")
    book(database)
    with pytest.raises(IntegrityError, match="ex_review_shifts_desk") as refused:
        book(database, **other)
    assert refused.value.orig.sqlstate == "23P01"  # type: ignore[union-attr]


def test_another_desk_and_the_next_hour_are_free(after: Make) -> None:
    database = after("exclude_overlapping_review_shifts")
    book(database)
    book(database, desk="Z8")
    book(database, begin=MORNING["end"], end="2026-03-02 16:00+00")
    book(database, begin="2026-03-02 07:00+00", end=MORNING["begin"])


def ask_and_insert(database: Database, one: Any) -> Any:
    """Let two sessions ask whether a desk is free, and then take it, as code does that checks by itself."""
    free = text("SELECT count(*) = 0 FROM review_shifts WHERE desk = 'Z9'")
    with database.engine.connect() as other, ThreadPoolExecutor(1) as thread:
        assert one.scalar(free)
        assert other.scalar(free)
        one.execute(text(INSERT), MORNING)
        second = thread.submit(other.execute, text(INSERT), MORNING)
        wait_for(lambda: second.done() or database.query("SELECT FROM pg_locks WHERE NOT granted"))
        one.commit()
        refused = second.exception()
        other.rollback() if refused else other.commit()
        return refused


def test_two_who_ask_at_once_do_not_both_get_it(before: Make) -> None:
    database = before("exclude_overlapping_review_shifts")
    with database.engine.connect() as one:
        assert ask_and_insert(database, one) is None  # both have it
    database.execute("DELETE FROM review_shifts WHERE desk = 'Z9'")
    database.upgrade("exclude_overlapping_review_shifts")
    with database.engine.connect() as one:
        assert isinstance(ask_and_insert(database, one), IntegrityError)
    assert database.value("SELECT count(*) FROM review_shifts WHERE desk = 'Z9'") == 1


def test_an_overlap_that_is_there_stops_it_and_names_two_rows(before: Make) -> None:
    database = before("exclude_overlapping_review_shifts")
    book(database)
    book(database, begin="2026-03-02 11:00+00", end="2026-03-02 13:00+00")
    with pytest.raises(IntegrityError, match=r"Key .*Z9.* conflicts with key .*Z9"):
        database.upgrade("exclude_overlapping_review_shifts")


def test_it_cannot_be_had_without_its_build(before: Make) -> None:
    database = before("exclude_overlapping_review_shifts")
    rule = "ALTER TABLE review_shifts ADD CONSTRAINT ex EXCLUDE USING gist (desk WITH =)"
    with pytest.raises(DBAPIError, match="cannot be marked NOT VALID"):
        database.execute(f"{rule} NOT VALID")
