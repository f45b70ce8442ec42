"""A view: created, changed, dropped, and what it holds fast meanwhile."""

import re

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from database import Base
from tests.support import Database, Make

COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = 'active_documents'::regclass ORDER BY attnum"
OPTIONS = "SELECT reloptions FROM pg_class WHERE oid = 'active_documents'::regclass"


def test_it_shows_what_has_not_been_deleted(after: Make) -> None:
    database = after("create_active_documents_view")
    gone, there = database.column("SELECT id FROM documents LIMIT 2")
    database.execute("UPDATE documents SET deleted_at = now() WHERE id = :id", id=gone)
    shown = set(database.column("SELECT id FROM active_documents"))
    assert there in shown
    assert shown == set(database.column("SELECT id FROM documents WHERE deleted_at IS NULL"))


def test_autogenerate_neither_sees_it_nor_drops_it(before: Make) -> None:
    def differences(database: Database) -> str:
        with database.engine.connect() as connection:
            found = str(compare_metadata(MigrationContext.configure(connection), Base.metadata))
        return re.sub(r" at 0x\w+", "", found)  # a default of the client is a function

    database = before("create_active_documents_view")
    without = differences(database)
    database.upgrade("create_active_documents_view")
    assert differences(database) == without


def test_it_shows_no_more_than_its_reader_may_see(after: Make) -> None:
    for revision in ("create_active_documents_view", "replace_active_documents_view"):
        assert after(revision).value(OPTIONS) == ["security_invoker=true"]


def test_a_new_column_goes_to_the_end_and_what_is_built_on_the_view_stays(before: Make) -> None:
    database = before("replace_active_documents_view")
    database.execute("CREATE VIEW on_it AS SELECT title FROM active_documents")
    columns = database.column(COLUMNS)
    database.upgrade("replace_active_documents_view")
    assert database.column(COLUMNS) == [*columns, "priority"]
    assert database.column("SELECT priority FROM active_documents ORDER BY id") == database.column(
        "SELECT priority FROM documents WHERE deleted_at IS NULL ORDER BY id"
    )
    assert database.column("SELECT title FROM on_it")


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ("id, user_id, title, status", "cannot drop columns from view"),
        ("id, priority, user_id, title, status, created_at", "cannot change name of view column"),
        ("id, user_id, title::text, status, created_at", "cannot change data type of view column"),
    ],
)
def test_no_other_change_can_be_made_by_replacing(after: Make, columns: str, error: str) -> None:
    database = after("create_active_documents_view")
    with pytest.raises(DBAPIError, match=error):
        database.execute(f"CREATE OR REPLACE VIEW active_documents AS SELECT {columns} FROM documents")


def test_replacing_it_without_its_options_resets_them(after: Make) -> None:
    database = after("create_active_documents_view")
    columns = ", ".join(database.column(COLUMNS))
    database.execute(f"CREATE OR REPLACE VIEW active_documents AS SELECT {columns} FROM documents")
    assert database.value(OPTIONS) is None


@pytest.mark.parametrize(
    "change", ["ALTER COLUMN priority TYPE bigint", "DROP COLUMN priority", "DROP COLUMN deleted_at"]
)
def test_a_column_that_it_reads_cannot_change_until_it_is_dropped(before: Make, change: str) -> None:
    database = before("drop_active_documents_view")
    with pytest.raises(DBAPIError, match=r"used by a view|depends on column|other objects depend"):
        database.execute(f"ALTER TABLE documents {change}")
    documents = database.value("SELECT count(*) FROM documents")
    database.upgrade("drop_active_documents_view")
    assert database.value("SELECT count(*) FROM documents") == documents
    database.execute(f"ALTER TABLE documents {change}")


def test_cascade_takes_the_view_along(before: Make) -> None:
    database = before("drop_active_documents_view")
    database.execute("ALTER TABLE documents DROP COLUMN priority CASCADE")
    assert database.value("SELECT to_regclass('active_documents')") is None
