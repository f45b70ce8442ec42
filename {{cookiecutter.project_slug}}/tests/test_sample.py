"""The sample rows."""

import pytest

from migrate.chain import Revision
from migrate.sample import SampleError
from tests.support import REVISIONS, Database, Server


@pytest.mark.parametrize("revision", REVISIONS, ids=str)
def test_the_tables_of_any_revision_can_be_filled(revision: Revision, server: Server) -> None:
    database = server.after(revision.slug, rows=False)
    database.fill(50)
    assert [table for table, rows in database.rows().items() if not rows] == []


def test_the_rows_are_the_same_every_time(server: Server) -> None:
    one, other = server.after(REVISIONS[0].slug, rows=False), server.after(REVISIONS[0].slug, rows=False)
    one.fill(200)
    other.fill(200)
    assert one.rows() == other.rows()


def test_some_users_own_hundreds_of_documents_and_some_none(server: Server) -> None:
    database = server.after(REVISIONS[-1].slug, rows=False)
    database.fill(2000)
    owned = database.column(
        "SELECT count(d.id) FROM users u LEFT JOIN documents d ON d.user_id = u.id GROUP BY u.id"
    )
    assert max(owned) >= 200
    assert min(owned) == 0


def test_tables_that_have_rows_are_left_alone(head: Database) -> None:
    before = head.rows()
    head.fill(100)
    assert head.rows() == before


def test_a_column_that_it_cannot_fill_is_named(server: Server) -> None:
    database = server.after(REVISIONS[-1].slug, rows=False)
    database.execute("ALTER TABLE users ADD COLUMN shoe_size integer NOT NULL")
    with pytest.raises(SampleError, match=r"users\.shoe_size is NOT NULL .* add an expression"):
        database.fill(10)
