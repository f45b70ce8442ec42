"""A column that the server computes, in the form that it knows: virtual, or kept by a trigger."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.scenarios.test_require_review_shift_desk_not_valid import shift
from tests.support import Database, Make

SLUG = "add_review_shift_starts_on_generated"
STEPS = [SLUG, "backfill_review_shift_starts_on"]
DAY = "(starts_at AT TIME ZONE 'UTC')::date"
WRONG = f"SELECT count(*) FROM review_shifts WHERE starts_on IS DISTINCT FROM {DAY}"
FILE = "SELECT pg_relation_filenode('review_shifts')"


def is_virtual(database: Database) -> bool:
    return bool(database.value("SELECT current_setting('server_version_num')::integer >= 180000"))


def test_old_rows_have_their_day_in_the_end_and_new_ones_at_once(before: Make) -> None:
    database = before(SLUG)
    rows = database.value("SELECT count(*) FROM review_shifts")
    database.upgrade(SLUG)
    assert database.value(WRONG) == (0 if is_virtual(database) else rows)
    shift(database, desk="C1")
    database.execute("UPDATE review_shifts SET note = 'seen'")
    assert database.value(WRONG) == (0 if is_virtual(database) else rows)
    database.upgrade(STEPS[1])
    assert database.value(WRONG) == 0


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Honolulu"])
def test_old_code_keeps_it_true_in_any_time_zone(after: Make, step: str, zone: str) -> None:
    database = after(step)
    id_ = shift(database, desk="C1")
    move = text("UPDATE review_shifts SET starts_at = :start, ends_at = 'infinity' WHERE id = :id")
    with database.engine.begin() as code:
        code.execute(text(f"SET LOCAL TIME ZONE '{zone}'"))
        code.execute(move, {"start": "2031-06-01 00:00:00+00", "id": id_})
    assert str(database.value("SELECT starts_on FROM review_shifts WHERE id = :id", id=id_)) == "2031-06-01"
    database.execute(move.text, start="-infinity", id=id_)
    assert database.value("SELECT starts_on::text FROM review_shifts WHERE id = :id", id=id_) == "-infinity"


@pytest.mark.parametrize(
    "write",
    [
        "UPDATE review_shifts SET starts_on = '2000-01-01'",
        """
        INSERT INTO review_shifts (user_id, desk, starts_at, ends_at, starts_on)
        SELECT user_id, 'Z9', '2031-06-01', '2031-06-02', '2000-01-01' FROM review_shifts LIMIT 1
        """,
    ],
    ids=["update", "insert"],
)
def test_no_code_makes_it_untrue(after: Make, write: str) -> None:
    database = after(STEPS[1])
    if is_virtual(database):
        with pytest.raises(ProgrammingError) as refused:
            database.execute(write)
        assert refused.value.orig.sqlstate == "428C9"  # type: ignore[union-attr]
    else:
        assert database.execute(write) > 0
    assert database.value(WRONG) == 0


def test_the_table_is_not_written_anew_as_a_stored_column_would(before: Make) -> None:
    database = before(SLUG)
    file = database.value(FILE)
    database.upgrade("drop_review_shift_starts_on")
    assert database.value(FILE) == file
    add = "ALTER TABLE review_shifts ADD COLUMN naive date GENERATED ALWAYS AS ({}) STORED"
    with pytest.raises(ProgrammingError, match="not immutable"):
        database.execute(add.format("starts_at::date"))
    database.execute(add.format(DAY))
    assert database.value(FILE) != file


def test_a_plain_column_does_not_become_a_stored_one_and_the_way_back_is_free(after: Make) -> None:
    database = after("drop_review_shift_starts_on")
    database.execute("ALTER TABLE review_shifts ADD COLUMN plain date")
    with pytest.raises(DBAPIError, match=r"is not a generated column|syntax error"):
        database.execute(f"ALTER TABLE review_shifts ALTER COLUMN plain SET EXPRESSION AS ({DAY})")
    database.execute(f"ALTER TABLE review_shifts ADD COLUMN stored date GENERATED ALWAYS AS ({DAY}) STORED")
    file = database.value(FILE)
    database.execute("ALTER TABLE review_shifts ALTER COLUMN stored DROP EXPRESSION")
    assert database.value(FILE) == file


def test_an_index_on_the_same_expression_serves_the_virtual_column(after: Make) -> None:
    database = after(STEPS[1])
    hour = "'2031-01-01'::timestamptz + n * interval '1 hour'"
    database.insert_many(
        "review_shifts", 5000, desk="'Y1'", starts_at=hour, ends_at=f"{hour} + interval '1 hour'"
    )
    on_column = "CREATE INDEX idx_review_shifts_starts_on ON review_shifts ({})"
    if is_virtual(database):
        with pytest.raises(DBAPIError, match="virtual generated columns are not supported"):
            database.execute(on_column.format("starts_on"))
        database.execute(on_column.format(f"({DAY})"))
    else:
        database.execute(on_column.format("starts_on"))
    database.execute("ANALYZE review_shifts")
    query = "SELECT id FROM review_shifts WHERE starts_on = '2031-03-01'"
    assert "idx_review_shifts_starts_on" in database.plan(query)
    assert len(database.query(query)) == 24


def test_dropped_it_takes_its_trigger_along_and_the_backfill_brings_its_values_back(after: Make) -> None:
    database = after(STEPS[1])
    days: list[tuple[Any, ...]] = database.query("SELECT id, starts_on::text FROM review_shifts ORDER BY id")
    if not is_virtual(database):
        with pytest.raises(DBAPIError, match="other objects depend on it"):
            database.execute("ALTER TABLE review_shifts DROP COLUMN starts_on")
    database.upgrade("drop_review_shift_starts_on")
    id_ = shift(database, desk="C1")
    database.execute("DELETE FROM review_shifts WHERE id = :id", id=id_)
    database.downgrade("drop_review_shift_starts_on")
    if not is_virtual(database):
        assert database.value(WRONG) == len(days)
        database.downgrade(STEPS[1])
        database.upgrade(STEPS[1])
    assert database.query("SELECT id, starts_on::text FROM review_shifts ORDER BY id") == days
