"""NOT NULL on a live table in three steps, in the form that the server knows."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.support import Database, Make

STEPS = [
    "require_review_shift_desk_not_valid", "fill_review_shift_desks", "validate_review_shift_desk",
]  # fmt: skip
WITHOUT = "SELECT count(*) FROM review_shifts WHERE desk IS NULL"
RULES = """
    SELECT contype::text, convalidated FROM pg_constraint
    WHERE conrelid = 'review_shifts'::regclass AND conname = 'review_shifts_desk_not_null'
"""


def shift(database: Database, **values: object) -> object:
    """Insert a shift of an hour that no other one has."""
    begin = database.value(
        "SELECT max(starts_at) + interval '1 day' FROM review_shifts WHERE ends_at < 'infinity'"
    )
    end = database.value("SELECT CAST(:begin AS timestamptz) + interval '1 hour'", begin=begin)
    return database.insert("review_shifts", starts_at=begin, ends_at=end, **values)


def test_at_no_moment_does_a_new_row_come_in_without_a_desk(before: Make) -> None:
    database = before(STEPS[0])
    shift(database, desk=None)
    for step in STEPS:
        database.upgrade(step)
        with pytest.raises(IntegrityError, match="desk"):
            shift(database, desk=None)
        shift(database, desk="C1")


def test_old_rows_stay_until_they_are_filled_and_the_others_keep_their_desk(before: Make) -> None:
    database = before(STEPS[0])
    desks = dict(database.query("SELECT id, desk FROM review_shifts"))
    database.upgrade(STEPS[0])
    assert database.value(WITHOUT) > 0
    database.upgrade(STEPS[1])
    assert dict(database.query("SELECT id, desk FROM review_shifts")) == {
        id_: desk or "A1" for id_, desk in desks.items()
    }


def test_the_server_decides_which_form_it_takes_and_the_end_is_the_same(before: Make) -> None:
    database = before(STEPS[0])
    knows = database.value("SELECT current_setting('server_version_num')::integer >= 180000")
    database.upgrade(STEPS[0])
    assert database.query(RULES) == [("n" if knows else "c", False)]
    database.upgrade(STEPS[2])
    assert database.query(RULES) == ([("n", True)] if knows else [])
    assert database.value(
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'review_shifts'::regclass AND attname = 'desk'"
    )
    assert "desk text NOT NULL" in database.schema()


def test_the_proof_does_not_wait_for_writers_nor_they_for_it(before: Make) -> None:
    database = before(STEPS[2])
    with database.engine.connect() as code:
        code.execute(text("UPDATE review_shifts SET note = 'x'"))
        # It comes as far as SET NOT NULL, which alone has to wait.
        with database.while_it_waits(STEPS[2]):
            assert database.query(RULES)[0][1]
            code.commit()


def test_a_row_that_was_forgotten_is_named_and_nothing_is_lost(before: Make) -> None:
    database = before("fill_review_shift_desks")
    empty = database.value(WITHOUT)
    with pytest.raises(IntegrityError, match=r"null values|violated by some row"):
        database.execute("ALTER TABLE review_shifts VALIDATE CONSTRAINT review_shifts_desk_not_null")
    assert database.value(WITHOUT) == empty
