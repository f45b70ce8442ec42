"""A text becomes jsonb, while code of both kinds reads and writes."""

import json
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from tests.scenarios.test_require_review_shift_desk_not_valid import shift
from tests.support import Database, Make

BOTH = "SELECT options, settings FROM review_shifts WHERE id = :id"
# What old code writes, and what new code finds.
TEXTS: list[tuple[str | None, Any]] = [
    (None, None),
    ("", ""),
    ("not json", "not json"),
    ('{"a": 1}', {"a": 1}),
    (' { "b" : [1, 2] } ', {"b": [1, 2]}),
    ('{"a": 1, "a": 2}', {"a": 2}),
    ('{"nul": "\\u0000"}', '{"nul": "\\u0000"}'),
    ("[" * 10000, "[" * 10000),  # deeper than it can be read
    ("1e999999", "1e999999"),
]


@pytest.mark.parametrize(("old", "new"), TEXTS, ids=lambda value: repr(value)[:20])
def test_what_old_code_writes_new_code_finds(after: Make, old: str | None, new: Any) -> None:
    database = after("expand_review_shift_options")
    id_ = shift(database, desk="C1", options=old)
    assert database.query(BOTH, id=id_) == [(old, new)]
    database.execute("UPDATE review_shifts SET options = 'other' WHERE id = :id", id=id_)
    database.execute("UPDATE review_shifts SET options = :old WHERE id = :id", id=id_, old=old)
    assert database.query(BOTH, id=id_) == [(old, new)]


def write(database: Database, id_: object, settings: Any) -> None:
    database.execute(
        "UPDATE review_shifts SET settings = CAST(:settings AS jsonb) WHERE id = :id",
        id=id_,
        settings=None if settings is None else json.dumps(settings),
    )


@pytest.mark.parametrize("settings", [{"a": {"b": None}}, [], 5, "plain", True, None], ids=str)
def test_what_new_code_writes_old_code_finds(after: Make, settings: Any) -> None:
    database = after("expand_review_shift_options")
    id_ = shift(database, desk="C1", options='{"old": 1}')
    write(database, id_, settings)
    text_ = settings if settings is None or isinstance(settings, str) else json.dumps(settings)
    assert database.query(BOTH, id=id_) == [(text_, settings)]
    # Old code that writes something else leaves both as they are.
    database.execute("UPDATE review_shifts SET note = 'seen' WHERE id = :id", id=id_)
    assert database.query(BOTH, id=id_) == [(text_, settings)]


def test_neither_loses_a_write_between_any_two_steps(before: Make) -> None:
    database = before("expand_review_shift_options")
    id_ = shift(database, desk="C1", options='{"step": 0}')
    for number, step in enumerate(("expand_review_shift_options", "backfill_review_shift_settings"), start=1):
        database.upgrade(step)
        database.execute(
            "UPDATE review_shifts SET options = :text WHERE id = :id", id=id_, text=f'{{"old": {number}}}'
        )
        assert database.query(BOTH, id=id_)[0][1] == {"old": number}
        write(database, id_, {"new": number})
        assert database.query(BOTH, id=id_)[0][0] == f'{{"new": {number}}}'
    database.upgrade("drop_review_shift_options")
    assert database.value("SELECT settings FROM review_shifts WHERE id = :id", id=id_) == {"new": 2}
    write(database, id_, {"new": 3})
    database.downgrade("drop_review_shift_options")
    assert database.query(BOTH, id=id_) == [('{"new": 3}', {"new": 3})]


def test_every_row_of_before_is_filled_and_no_text_is_lost(before: Make) -> None:
    database = before("expand_review_shift_options")
    options = dict(database.query("SELECT id, options FROM review_shifts"))
    assert {"not json", "", "{"} <= set(options.values())
    database.upgrade("backfill_review_shift_settings")
    found = database.query("SELECT id, options, settings FROM review_shifts")
    assert {id_: text for id_, text, _ in found} == options
    assert [row for row in found if (row[1] is None) != (row[2] is None) and row[1] != "null"] == []


def test_the_naive_way_stops_at_the_first_text_that_is_no_json(before: Make) -> None:
    database = before("expand_review_shift_options")
    with pytest.raises(DBAPIError, match="invalid input syntax for type json"):
        database.execute("ALTER TABLE review_shifts ALTER options TYPE jsonb USING options::jsonb")
