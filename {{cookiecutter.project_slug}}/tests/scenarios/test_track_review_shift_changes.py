"""What a row was stands in its history, whoever changed it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.scenarios.test_require_review_shift_desk_not_valid import shift
from tests.support import Database, Make

HISTORY = """
    SELECT operation, before ->> 'note', after ->> 'note' FROM review_shift_changes
    WHERE review_shift_id = :id ORDER BY id
"""


def test_each_change_is_told_and_what_changed_nothing_is_not(after: Make) -> None:
    database = after("track_review_shift_changes")
    id_ = shift(database, desk="C1", note="one")
    update = "UPDATE review_shifts SET note = :note WHERE id = :id"
    for note in ("two", "two", None):
        database.execute(update, id=id_, note=note)
    database.execute("DELETE FROM review_shifts WHERE id = :id", id=id_)
    assert database.query(HISTORY, id=id_) == [
        ("INSERT", None, "one"),
        ("UPDATE", "one", "two"),
        ("UPDATE", "two", None),
        ("DELETE", None, None),
    ]


def test_the_change_and_its_story_are_one_transaction(after: Make) -> None:
    database = after("track_review_shift_changes")
    with database.engine.connect() as connection:
        connection.execute(text("UPDATE review_shifts SET note = 'undone'"))
        assert connection.scalar(text("SELECT count(*) FROM review_shift_changes"))
        connection.rollback()
    assert database.value("SELECT count(*) FROM review_shift_changes WHERE after ->> 'note' = 'undone'") == 0


def test_a_user_who_is_deleted_takes_the_shifts_along_and_not_their_history(after: Make) -> None:
    database = after("track_review_shift_changes")
    id_ = shift(database, desk="C1", note="one")
    database.execute(
        "DELETE FROM users WHERE id = (SELECT user_id FROM review_shifts WHERE id = :id)", id=id_
    )
    assert [operation for operation, *_ in database.query(HISTORY, id=id_)] == ["INSERT", "DELETE"]


@pytest.fixture
def writer(after: Make) -> Iterator[tuple[Database, str]]:
    """A database whose shifts a role may change that owns nothing, and the role."""
    database = after("track_review_shift_changes")
    role = f"Writer {database.url.database}"
    database.execute(f'CREATE ROLE "{role}"')
    database.execute(f'GRANT SELECT, UPDATE ON review_shifts TO "{role}"')
    yield database, role
    database.execute(f'DROP OWNED BY "{role}"')
    database.execute(f'DROP ROLE "{role}"')


def test_who_may_change_the_rows_may_not_change_their_history(writer: tuple[Database, str]) -> None:
    database, role = writer
    told = "SELECT count(*) FROM review_shift_changes"
    before = database.value(told)
    with database.engine.connect() as connection:
        connection.execute(text(f'SET ROLE "{role}"'))
        connection.execute(text("UPDATE review_shifts SET note = 'by the writer'"))
        connection.commit()
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("DELETE FROM review_shift_changes"))
    assert database.value(told) > before
