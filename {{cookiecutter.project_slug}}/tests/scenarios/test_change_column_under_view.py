"""A column changes its type under a view, which keeps its privileges and its comment."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support import Database, Make

LENGTH = """
    SELECT attrelid::regclass::text, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attname = 'note'
    AND attrelid IN ('review_shifts'::regclass, 'planned_review_shifts'::regclass) ORDER BY 1
"""
COMMENT = "SELECT obj_description('planned_review_shifts'::regclass)"


@pytest.fixture
def reader(before: Make) -> Iterator[tuple[Database, str]]:
    """A database whose view a role may read that owns nothing, and the role."""
    database = before("change_column_under_view")
    role = f"Reader {database.url.database}"
    database.execute(f'CREATE ROLE "{role}"')
    database.execute(f'GRANT SELECT ON planned_review_shifts, review_shifts, users TO "{role}"')
    yield database, role
    database.execute(f'DROP OWNED BY "{role}"')
    database.execute(f'DROP ROLE "{role}"')


def test_the_naive_way_is_refused(before: Make) -> None:
    database = before("change_column_under_view")
    with pytest.raises(DBAPIError, match="cannot alter type of a column used by a view"):
        database.execute("ALTER TABLE review_shifts ALTER note TYPE varchar(500)")


def test_column_and_view_change_together_and_who_could_read_still_can(
    reader: tuple[Database, str],
) -> None:
    database, role = reader
    comment = database.value(COMMENT)
    for move, length in ((database.upgrade, 500), (database.downgrade, 100)):
        move("change_column_under_view")
        kind = f"character varying({length})"
        assert database.query(LENGTH) == [("planned_review_shifts", kind), ("review_shifts", kind)]
        assert database.value(COMMENT) == comment
        with database.engine.connect() as connection:
            connection.execute(text(f'SET ROLE "{role}"'))
            assert connection.scalar(text("SELECT count(*) FROM planned_review_shifts"))


def test_the_way_back_refuses_while_a_note_is_longer(after: Make) -> None:
    database = after("change_column_under_view")
    database.execute("UPDATE review_shifts SET note = repeat('n', 101)")
    schema = database.schema()
    with pytest.raises(DBAPIError, match="more than 100 characters"):
        database.downgrade("change_column_under_view")
    assert database.schema() == schema


def test_a_view_upon_the_view_stops_it_and_is_not_dropped(before: Make) -> None:
    database = before("change_column_under_view")
    database.execute("CREATE VIEW upon AS SELECT username FROM planned_review_shifts")
    with pytest.raises(DBAPIError, match="view upon depends on view planned_review_shifts"):
        database.upgrade("change_column_under_view")
    assert database.query("SELECT username FROM upon")
