"""A text becomes an enum, while code of both kinds reads and writes, and no text is forgotten."""

import re
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from tests.support import BY_SLUG, Database, Make

STEPS = [
    "expand_review_request_urgency", "backfill_review_request_levels", "check_review_request_urgency",
    "fill_review_request_levels", "validate_review_request_urgency", "drop_review_request_urgency",
]  # fmt: skip
EXPAND, BACKFILL, CHECK, FILL, VALIDATE, DROP = STEPS
BOTH = "SELECT urgency, level::text FROM review_requests WHERE id = :id"
ALL = "SELECT id, urgency, level::text FROM review_requests"
# What old code writes, and what new code finds.
TEXTS = [
    (None, None), ("", None), ("low", "low"), ("High", "high"), (" NORMAL ", "normal"), ("asap", None),
    ("highest", None), ("n" * 200, None), ("lów", None),
]  # fmt: skip


def old_code(database: Database, id_: Any, urgency: str | None) -> None:
    database.execute("UPDATE review_requests SET urgency = :urgency WHERE id = :id", urgency=urgency, id=id_)


def new_code(database: Database, id_: Any, level: str | None) -> None:
    database.execute(
        "UPDATE review_requests SET level = CAST(:level AS review_request_level) WHERE id = :id",
        level=level,
        id=id_,
    )


@pytest.mark.parametrize(("old", "new"), TEXTS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("step", [EXPAND, BACKFILL])
def test_what_old_code_writes_new_code_finds(
    after: Make, step: str, old: str | None, new: str | None
) -> None:
    database = after(step)
    id_ = database.insert("review_requests", urgency=old)
    assert database.query(BOTH, id=id_) == [(old, new)]
    new_code(database, id_, "low")
    assert database.query(BOTH, id=id_) == [("low", "low")], "old code finds what new code writes"
    old_code(database, id_, old)
    assert database.query(BOTH, id=id_) == [(old, new)]
    database.execute("UPDATE review_requests SET title = 'seen' WHERE id = :id", id=id_)
    assert database.query(BOTH, id=id_) == [(old, new)]
    new_code(database, id_, "high")
    new_code(database, id_, None)
    assert database.query(BOTH, id=id_) == [(None, None)]


def test_each_step_does_its_part_and_keeps_the_rest(before: Make) -> None:
    database = before(EXPAND)
    database.insert_many(
        "review_requests", 5432, urgency="CASE n % 3 WHEN 0 THEN 'Low' WHEN 1 THEN 'high' END"
    )
    ids = {old: database.insert("review_requests", urgency=old) for old, _ in TEXTS}
    was = dict(database.query("SELECT id, urgency FROM review_requests"))
    database.upgrade(BACKFILL)
    assert {id_: urgency for id_, urgency, _ in database.query(ALL)} == was, "old code finds its texts"
    labels = {id_: level for id_, _, level in database.query(ALL)}
    assert [labels[ids[old]] for old, _ in TEXTS] == [new for _, new in TEXTS]
    assert sum(level is not None for level in labels.values()) >= 3621
    database.upgrade(CHECK)
    with pytest.raises(IntegrityError, match="ck_review_requests_urgency_has_level"):
        database.insert("review_requests", urgency="asap")
    with pytest.raises(IntegrityError, match="ck_review_requests_urgency_has_level"):
        database.execute("UPDATE review_requests SET title = 'x' WHERE id = :id", id=ids["asap"])
    with pytest.raises(IntegrityError, match="violated by some row"):
        database.execute(
            "ALTER TABLE review_requests VALIDATE CONSTRAINT ck_review_requests_urgency_has_level"
        )
    old_code(database, ids["low"], "HIGH")
    new_code(database, ids["High"], "low")
    expected = {**labels, ids["low"]: "high", ids["High"]: "low"}
    database.upgrade(DROP)
    found = dict(database.query("SELECT id, level::text FROM review_requests"))
    assert found == {
        id_: level or (None if was[id_] is None else "normal") for id_, level in expected.items()
    }


def test_neither_loses_a_write_between_any_two_steps(before: Make) -> None:
    database = before(EXPAND)
    id_ = database.insert("review_requests", urgency="low")
    for step in STEPS[:-1]:
        database.upgrade(step)
        for label in ("high", "normal"):
            old_code(database, id_, label.upper())
            assert database.query(BOTH, id=id_) == [(label.upper(), label)]
            new_code(database, id_, "low")
            assert database.query(BOTH, id=id_) == [("low", "low")]
    database.upgrade(DROP)
    new_code(database, id_, "high")
    for step in reversed(STEPS[1:]):
        database.downgrade(step)
        assert database.query(BOTH, id=id_) == [("high", "high")]
        old_code(database, id_, "Normal")
        new_code(database, id_, "high")
    database.downgrade(EXPAND)
    assert database.value("SELECT urgency FROM review_requests WHERE id = :id", id=id_) == "high"


def test_the_text_is_dropped_without_a_rewrite(before: Make) -> None:
    database = before(DROP)
    file = "SELECT pg_relation_filenode('review_requests')"
    before_it = database.value(file)
    database.upgrade(DROP)
    assert database.value(file) == before_it
    assert database.value(
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'review_requests'::regclass AND contype = 'c'"
    ) == 0  # fmt: skip


# The docstring says how a text becomes a uuid in the same way.
UUIDS = [
    "6f0f0979-56fd-4a11-8b00-aaaaaaaaaaaa", "6F0F0979-56FD-4A11-8B00-AAAAAAAAAAAA", "", "none",
    "6f0f0979-56fd-4a11-8b00", "6f0f0979-56fd-4a11-8b00-aaaaaaaaaaa", "6f0f0979-56fd-4a11-8b00-aaaaaaaaaaaa0",
    " 6f0f0979-56fd-4a11-8b00-aaaaaaaaaaaa", "6f0f0979-56fd-4a11-8b00-aaaaaaaaaaag",
]  # fmt: skip


def test_the_expression_for_a_uuid_takes_no_text_that_the_cast_refuses(empty: Database) -> None:
    [pattern] = re.findall(r"~\* '(.+?)'", BY_SLUG[EXPAND].script.longdoc)
    query = "SELECT CASE WHEN :value ~* :pattern THEN CAST(:value AS uuid) END"
    found = [str(empty.value(query, value=value, pattern=pattern)) for value in UUIDS]
    assert found == [UUIDS[0], UUIDS[0], *["None"] * (len(UUIDS) - 2)]
