"""Smaller limits by CHECKs, where a smaller type would rewrite the table and change values."""

import re
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import BY_SLUG, Database, Make, offline_script

STEPS = ["narrow_review_topics", "shorten_review_topics", "validate_review_topics"]
FILE = "SELECT pg_relation_filenode('review_topics')"
ROWS = "SELECT id, name, weight FROM review_topics"
READ = text("SELECT pg_stat_get_xact_tuples_returned('review_topics'::regclass)")


def fits(name: str, weight: Decimal | None) -> bool:
    return len(name) <= 60 and (weight is None or weight.is_nan() or weight == round(weight, 2))


def test_new_values_obey_at_every_step_and_the_longest_fits(before: Make) -> None:
    database = before(STEPS[0])
    database.insert("review_topics", name="x" * 61, weight="0.125")
    for step in STEPS:
        database.upgrade(step)
        with pytest.raises(IntegrityError, match="ck_review_topics_name_length"):
            database.insert("review_topics", name="🦊" * 61)
        with pytest.raises(IntegrityError, match="ck_review_topics_weight_scale"):
            database.insert("review_topics", weight="0.125")
        database.insert("review_topics", name="🦊" * 60, weight="9999.99")
        database.insert("review_topics", name="no weight", weight=None)


def test_old_rows_stay_until_they_are_repaired_and_then_can_be_changed(before: Make) -> None:
    database = before(STEPS[0])
    rows = database.query(ROWS)
    id_ = database.value("SELECT id FROM review_topics WHERE char_length(name) > 60 LIMIT 1")
    database.upgrade(STEPS[0])
    assert sorted(map(repr, database.query(ROWS))) == sorted(map(repr, rows))
    weigh = "UPDATE review_topics SET weight = 2 WHERE id = :id"
    with pytest.raises(IntegrityError, match="ck_review_topics_name_length"):
        database.execute(weigh, id=id_)
    with pytest.raises(IntegrityError, match="is violated by some row"):
        database.execute("ALTER TABLE review_topics VALIDATE CONSTRAINT ck_review_topics_name_length")
    database.upgrade(STEPS[1])
    assert database.execute(weigh, id=id_) == 1


def test_the_repair_cuts_what_is_too_long_and_nothing_else(before: Make) -> None:
    database = before(STEPS[1])
    rows = database.query(ROWS)
    assert {fits(name, weight) for _, name, weight in rows} == {True, False}
    database.upgrade(STEPS[1])
    found = {id_: (name, weight) for id_, name, weight in database.query(ROWS)}
    for id_, name, weight in rows:
        cut = name if len(name) <= 60 else name[:59] + "…"
        number = weight if weight is None else weight.quantize(Decimal("0.01"), ROUND_DOWN)
        assert repr(found[id_]) == repr((cut, number if number is None else number + Decimal("0.0000")))


def test_the_greatest_weight_is_cut_where_rounding_has_no_room(before: Make) -> None:
    database = before(STEPS[1])
    id_ = database.value("SELECT id FROM review_topics WHERE weight = 9999.9999")
    with pytest.raises(DBAPIError, match="numeric field overflow"):
        database.execute(
            "UPDATE review_topics SET name = 'x', weight = round(weight, 2) WHERE id = :id", id=id_
        )
    database.upgrade(STEPS[1])
    assert database.value("SELECT weight FROM review_topics WHERE id = :id", id=id_) == Decimal("9999.99")


def test_the_proof_waits_for_no_writer_and_reads_the_table_once(before: Make) -> None:
    database = before(STEPS[2])
    [both] = re.findall(r"ALTER TABLE review_topics[^;]+", offline_script(BY_SLUG[STEPS[2]], "upgrade"))
    with database.engine.connect() as proof:
        proof.execute(text(both))
        assert proof.scalar(READ) == database.value("SELECT count(*) FROM review_topics")
    with database.engine.connect() as code:
        code.execute(text("UPDATE review_topics SET weight = 1"))
        database.upgrade(STEPS[2])


def test_no_step_writes_the_table_anew(before: Make) -> None:
    database = before(STEPS[0])
    file = database.value(FILE)
    database.upgrade(STEPS[2])
    database.downgrade(STEPS[0])
    assert database.value(FILE) == file


def changed(database: Database, column: str, type_: str) -> tuple[bool, bool]:
    """Change the type of a column, and return whether the table was written anew, or only read."""
    with database.engine.connect() as connection:
        file = connection.scalar(text(FILE))
        connection.execute(text(f"ALTER TABLE review_topics ALTER COLUMN {column} TYPE {type_}"))
        rewritten = connection.scalar(text(FILE)) != file
        return rewritten, not rewritten and connection.scalar(READ) > 0


@pytest.mark.parametrize(
    "type_", ["varchar(60)", "varchar(99)", "numeric(6, 2)", "numeric(8, 2)", "numeric(7, 4)"]
)
def test_a_smaller_type_rewrites_the_table_even_where_a_check_is_valid(after: Make, type_: str) -> None:
    database = after(STEPS[2])
    database.execute("UPDATE review_topics SET weight = 1")
    assert changed(database, "name" if "varchar" in type_ else "weight", type_) == (True, False)


@pytest.mark.parametrize("type_", ["varchar(200)", "text", "numeric(10, 4)", "numeric"])
def test_a_larger_type_reads_the_table_only_where_a_valid_check_is_on_the_column(
    before: Make, after: Make, type_: str
) -> None:
    column = "name" if type_ in ("varchar(200)", "text") else "weight"
    assert changed(before(STEPS[0]), column, type_) == (False, False)
    assert changed(before(STEPS[2]), column, type_) == (False, False)  # the CHECK is NOT VALID
    assert changed(after(STEPS[2]), column, type_) == (False, True)


@pytest.mark.parametrize(
    ("column", "value", "type_", "becomes"),
    [
        ("weight", "0.1250", "numeric(6, 2)", Decimal("0.13")),
        ("name", "x" * 60 + " " * 40, "varchar(60)", "x" * 60),
    ],
)
def test_a_smaller_type_changes_values_without_a_word(
    before: Make, column: str, value: str, type_: str, becomes: Any
) -> None:
    database = before(STEPS[0])
    database.execute("DELETE FROM review_topics")
    database.insert("review_topics", **{column: value})
    database.execute(f"ALTER TABLE review_topics ALTER COLUMN {column} TYPE {type_}")
    assert database.value(f"SELECT {column} FROM review_topics") == becomes


@pytest.mark.parametrize(("column", "type_"), [("name", "varchar(60)"), ("weight", "numeric(6, 2)")])
def test_the_naive_way_fails_on_a_value_that_is_too_long(before: Make, column: str, type_: str) -> None:
    with pytest.raises(DBAPIError, match=r"value too long|numeric field overflow"):
        before(STEPS[0]).execute(f"ALTER TABLE review_topics ALTER COLUMN {column} TYPE {type_}")
