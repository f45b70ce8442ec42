"""A table moves to another schema, and old code goes on through a view."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from tests.support import Database, Make

MOVE = "move_review_shifts_to_archive"
INSERT = """
    INSERT INTO {table} (user_id, desk, starts_at, ends_at)
    SELECT id, 'C1', CAST(:begin AS timestamptz), CAST(:begin AS timestamptz) + interval '1 hour'
    FROM users LIMIT 1 RETURNING id
"""


def test_both_names_read_and_write_the_same_rows(before: Make) -> None:
    database = before(MOVE)
    count = database.value("SELECT count(*) FROM review_shifts")
    database.upgrade(MOVE)
    names = ("review_shifts", "archive.review_shifts")
    for day, (mine, other) in enumerate((names, names[::-1]), start=1):
        id_ = database.value(INSERT.format(table=mine), begin=f"2027-01-0{day} 08:00+00")
        assert database.value(f"SELECT number FROM {other} WHERE id = :id", id=id_) >= 1000
        assert database.execute(f"UPDATE {other} SET note = 'seen' WHERE id = :id", id=id_) == 1
        assert database.value(f"SELECT note FROM {mine} WHERE id = :id", id=id_) == "seen"
        with pytest.raises(IntegrityError, match="ex_review_shifts_desk"):
            database.value(INSERT.format(table=mine), begin=f"2027-01-0{day} 08:30+00")
    database.downgrade(MOVE)
    assert database.value("SELECT count(*) FROM review_shifts") == count + 2


def test_what_hangs_on_the_table_goes_on(after: Make) -> None:
    database = after(MOVE)
    id_ = database.value(INSERT.format(table="review_shifts"), begin="2027-01-01 08:00+00")
    changes = "SELECT count(*) FROM review_shift_changes WHERE review_shift_id = :id"
    assert database.value(changes, id=id_) == 1
    assert database.value("SELECT count(*) FROM planned_review_shifts WHERE id = :id", id=id_) == 1
    database.execute(
        "DELETE FROM users WHERE id = (SELECT user_id FROM review_shifts WHERE id = :id)", id=id_
    )
    assert database.query("SELECT FROM archive.review_shifts WHERE id = :id", id=id_) == []


@pytest.fixture
def reader(before: Make) -> Iterator[tuple[Database, str]]:
    """A database whose shifts a role may read that owns nothing, and the role."""
    database = before(MOVE)
    role = f"Reader {database.url.database}"
    database.execute(f'CREATE ROLE "{role}"')
    database.execute(f'GRANT SELECT ON review_shifts TO "{role}"')
    yield database, role
    database.execute(f'DROP OWNED BY "{role}"')
    database.execute(f'DROP ROLE "{role}"')


def test_a_role_that_owns_nothing_reads_by_both_names_and_gets_no_more(reader: tuple[Database, str]) -> None:
    database, role = reader
    database.upgrade(MOVE)
    for table in ("review_shifts", "archive.review_shifts"):
        with database.engine.connect() as connection:
            connection.execute(text(f'SET ROLE "{role}"'))
            assert connection.scalar(text(f"SELECT count(*) FROM {table}"))
            with pytest.raises(ProgrammingError, match="permission denied"):
                connection.execute(text(f"DELETE FROM {table}"))
    database.execute(f'DROP OWNED BY "{role}"')
    database.downgrade(MOVE)


def test_what_others_have_put_into_the_schema_is_not_dropped(before: Make) -> None:
    database = before("drop_archive_schema")
    database.execute("CREATE TABLE archive.of_another (id integer)")
    with pytest.raises(DBAPIError, match=r"table archive\.of_another depends on schema archive"):
        database.upgrade("drop_archive_schema")
    assert database.query("SELECT FROM archive.of_another") == []
    database.execute("DROP TABLE archive.of_another")
    database.upgrade("drop_archive_schema")
    assert database.query("SELECT FROM pg_namespace WHERE nspname = 'archive'") == []
