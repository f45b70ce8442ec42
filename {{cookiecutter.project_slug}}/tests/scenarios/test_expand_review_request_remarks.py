"""The elements of a JSON array become rows of a child table, while code of both kinds reads and writes."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from tests.support import Database, Make, wait_for

STEPS = ["expand_review_request_remarks", "backfill_review_request_remarks", "drop_review_request_remarks"]
EXPAND, BACKFILL, DROP = STEPS
REMARKS = "SELECT remarks FROM review_requests WHERE id = :id"
ROWS = """
    SELECT page_number, remark FROM review_request_remarks WHERE review_request_id = :id ORDER BY position
"""
ALL = "SELECT review_request_id, position, page_number, remark FROM review_request_remarks ORDER BY 1, 2"
WAITS = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
# What old code writes, and what new code finds.
ARRAYS: list[tuple[Any, list[tuple[int | None, str | None]]]] = [
    (None, []),
    ([], []),
    ([{"page": 1, "text": "a"}, {"text": "b", "page": 2}, {"page": 1, "text": "a"}],
     [(1, "a"), (2, "b"), (1, "a")]),
    ([{"page": "7", "text": 5, "by": "sam"}], [(7, "5")]),
    ([{"page": "iii"}, {"page": 2147483648, "text": ""}, {"page": 1.5, "text": None}, {}],
     [(None, None), (None, ""), (None, None), (None, None)]),
    (["plain", None, 5, ["deep"]], [(None, "plain"), (None, None), (None, "5"), (None, '["deep"]')]),
    ({"page": 1}, []),
    ("text", []),
]  # fmt: skip


def request(database: Database, remarks: Any) -> Any:
    id_ = database.insert("review_requests", title="of a test")
    old_code(database, id_, remarks)
    return id_


def old_code(database: Database, id_: Any, remarks: Any) -> None:
    database.execute(
        "UPDATE review_requests SET remarks = CAST(:remarks AS jsonb) WHERE id = :id",
        remarks=None if remarks is None else json.dumps(remarks),
        id=id_,
    )


def new_code(database: Database, id_: Any, position: int, page: int | None, remark: str | None) -> None:
    database.execute(
        "INSERT INTO review_request_remarks VALUES (:id, :position, :page, :remark)",
        id=id_,
        position=position,
        page=page,
        remark=remark,
    )


def element(page: int | None, remark: str | None) -> dict[str, Any]:
    return {"page": page, "text": remark}


@pytest.fixture(params=STEPS[:2])
def both(after: Make, request: pytest.FixtureRequest) -> Database:
    """A database at each step that has both forms."""
    return after(request.param)


@pytest.mark.parametrize(("old", "new"), ARRAYS, ids=lambda value: repr(value)[:30])
def test_what_old_code_writes_new_code_finds(both: Database, old: Any, new: list[Any]) -> None:
    id_ = request(both, [{"page": 9, "text": "before"}])
    assert both.query(ROWS, id=id_) == [(9, "before")]
    old_code(both, id_, old)
    assert both.query(ROWS, id=id_) == new
    assert both.value(REMARKS, id=id_) == old, "old code finds what it has written"


@pytest.mark.parametrize(("old", "new"), ARRAYS, ids=lambda value: repr(value)[:30])
def test_the_backfill_makes_the_rows_that_the_trigger_makes(before: Make, old: Any, new: list[Any]) -> None:
    database = before(EXPAND)
    id_ = request(database, old)
    database.upgrade(BACKFILL)
    assert database.query(ROWS, id=id_) == new
    assert database.value(REMARKS, id=id_) == old


def test_what_new_code_writes_old_code_finds(after: Make) -> None:
    database = after(BACKFILL)
    id_, other = request(database, [element(1, "a"), element(2, "b")]), request(database, None)
    new_code(database, id_, 9, None, "c")
    assert database.value(REMARKS, id=id_) == [element(1, "a"), element(2, "b"), element(None, "c")]
    database.execute(
        "UPDATE review_request_remarks SET remark = 'B' WHERE review_request_id = :id AND remark = 'b'",
        id=id_,
    )
    database.execute(
        "DELETE FROM review_request_remarks WHERE review_request_id = :id AND position <> 2", id=id_
    )
    assert database.value(REMARKS, id=id_) == [element(2, "B")]
    database.execute(
        "UPDATE review_request_remarks SET review_request_id = :other WHERE review_request_id = :id",
        id=id_,
        other=other,
    )
    assert (database.value(REMARKS, id=id_), database.value(REMARKS, id=other)) == ([], [element(2, "B")])


def test_neither_loses_a_write_on_the_way_up_and_down(before: Make) -> None:
    database = before(EXPAND)
    database.insert_many(
        "review_requests",
        5432,
        remarks="jsonb_build_array(jsonb_build_object('page', n, 'text', 'x'), 'plain', 'null'::jsonb)",
    )
    arrays = "SELECT id, remarks FROM review_requests ORDER BY id"
    was = database.query(arrays)
    database.upgrade(EXPAND)
    id_ = request(database, [element(1, "old 1")])
    was_then = [row for row in database.query(arrays) if row[0] != id_]
    database.upgrade(BACKFILL)
    assert was == was_then == [row for row in database.query(arrays) if row[0] != id_]
    assert database.value("SELECT count(*) FROM review_request_remarks") > 3 * 5432
    new_code(database, id_, 2, 2, "new 1")
    database.upgrade(DROP)
    new_code(database, id_, 4, 4, "new 2")
    rows = database.query(ALL)
    database.downgrade(DROP)
    assert database.query(ALL) == rows
    assert database.value(REMARKS, id=id_) == [element(1, "old 1"), element(2, "new 1"), element(4, "new 2")]
    old_code(database, id_, [element(5, "old 2")])
    assert database.query(ROWS, id=id_) == [(5, "old 2")]
    database.downgrade(EXPAND)
    assert database.value(REMARKS, id=id_) == [element(5, "old 2")]
    database.upgrade(DROP)
    assert database.query(ROWS, id=id_) == [(5, "old 2")]


def test_two_sessions_that_each_add_a_remark_at_once_both_keep_theirs(after: Make) -> None:
    database = after(BACKFILL)
    id_ = request(database, [])
    with ThreadPoolExecutor(1) as thread, database.engine.connect() as first:
        first.execute(text("INSERT INTO review_request_remarks VALUES (:id, 1, 1, 'one')"), {"id": id_})
        second = thread.submit(new_code, database, id_, 2, 2, "two")
        wait_for(lambda: second.done() or database.query(WAITS))
        first.commit()
        second.result()
    assert database.value(REMARKS, id=id_) == [element(1, "one"), element(2, "two")]


def test_one_transaction_may_write_both_forms(after: Make) -> None:
    database = after(BACKFILL)
    id_ = request(database, [])
    with database.engine.begin() as code:
        code.execute(text("INSERT INTO review_request_remarks VALUES (:id, 1, 1, 'one')"), {"id": id_})
        code.execute(
            text("UPDATE review_requests SET remarks = remarks || '{\"page\": 2}' WHERE id = :id"),
            {"id": id_},
        )
        code.execute(
            text("UPDATE review_request_remarks SET remark = 'x' WHERE remark IS NULL AND page_number = 2")
        )
    assert database.value(REMARKS, id=id_) == [element(1, "one"), element(2, "x")]


def test_a_request_can_be_deleted_at_every_step(before: Make) -> None:
    database = before(EXPAND)
    for step in STEPS:
        id_ = request(database, [element(1, "a")])
        database.upgrade(step)
        database.execute("DELETE FROM review_requests WHERE id = :id", id=id_)
        assert database.query(ROWS, id=id_) == []


def test_the_triggers_find_their_tables_whatever_the_search_path_of_the_writer(after: Make) -> None:
    database = after(BACKFILL)
    id_ = request(database, [element(1, "a")])
    with database.engine.begin() as code:
        code.execute(text("SET LOCAL search_path = ''"))
        code.execute(
            text("UPDATE public.review_requests SET remarks = '[{\"page\": 2}, 3]' WHERE id = :id"),
            {"id": id_},
        )
        code.execute(text("DELETE FROM public.review_request_remarks WHERE position = 2"))
    assert database.value(REMARKS, id=id_) == [element(2, None)]
