"""Another label for an enum."""

import pytest
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from postgres.errors import PostgresError
from tests.support import Make, Server

ARCHIVE = "UPDATE documents SET status = 'archived' WHERE file_size = 1"


def test_the_label_has_its_place_in_the_order(after: Make) -> None:
    database = after("add_document_status_archived")
    assert database.value("SELECT enum_range(NULL::document_status_enum)::text") == (
        "{pending,processing,completed,archived,failed}"
    )


def test_rows_keep_their_status_and_can_be_archived(before: Make) -> None:
    database = before("add_document_status_archived")
    database.execute("UPDATE documents SET status = 'failed' WHERE file_size = 2147483647")
    earlier = database.query("SELECT id, status::text FROM documents ORDER BY id")
    database.upgrade("add_document_status_archived")
    assert database.query("SELECT id, status::text FROM documents ORDER BY id") == earlier
    archived = database.execute(ARCHIVE)
    assert archived
    assert database.value("SELECT count(*) FROM documents WHERE status = 'archived'") == archived


def test_it_can_be_used_only_after_the_commit(before: Make) -> None:
    database = before("add_document_status_archived")
    with database.engine.connect() as connection:
        connection.execute(text("ALTER TYPE document_status_enum ADD VALUE 'archived' AFTER 'completed'"))
        with pytest.raises(OperationalError, match="unsafe use of new value"):
            connection.execute(text(ARCHIVE))


def test_nobody_waits_for_it(before: Make) -> None:
    database = before("add_document_status_archived")
    with database.engine.connect() as busy:
        busy.execute(text("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE"))
        database.upgrade("add_document_status_archived")


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_the_way_back_refuses_while_a_row_is_archived(server: Server, *, offline: bool) -> None:
    database = server.after("add_document_status_archived")
    database.execute(ARCHIVE)
    schema, rows = database.schema(), database.rows()
    with pytest.raises((CommandError, DBAPIError, PostgresError), match="another status first"):
        (database.offline_downgrade if offline else database.downgrade)("add_document_status_archived")
    assert (database.schema(), database.rows()) == (schema, rows)


def test_the_way_back_keeps_every_other_status(after: Make) -> None:
    database = after("add_document_status_archived")
    for status in ("processing", "completed", "failed"):
        database.insert("documents", status=status)
    earlier = database.query("SELECT id, status::text FROM documents ORDER BY id")
    database.downgrade("add_document_status_archived")
    assert database.query("SELECT id, status::text FROM documents ORDER BY id") == earlier
    with pytest.raises(DBAPIError, match="invalid input value for enum"):
        database.execute(ARCHIVE)
