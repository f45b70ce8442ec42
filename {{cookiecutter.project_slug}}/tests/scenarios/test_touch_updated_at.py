"""updated_at, kept by the server."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests.support import Database, Make

OLD = datetime(2001, 1, 1, tzinfo=UTC)
CHANGES = {
    "users": "phone = '+49 30 1'",
    "documents": "title = 'changed'",
    "webhooks": "name = 'changed'",
}
each_table = pytest.mark.parametrize("table", CHANGES)


def updated_at(database: Database, table: str, row: object) -> datetime:
    moment = database.value(f"SELECT updated_at FROM {table} WHERE id = :id", id=row)
    assert isinstance(moment, datetime)
    return moment


@each_table
def test_a_statement_that_says_nothing_of_it_moves_it(before: Make, table: str) -> None:
    database = before("touch_updated_at")
    row = database.insert(table, updated_at=OLD)
    change = f"UPDATE {table} SET {CHANGES[table]} WHERE id = :id"
    database.execute(change, id=row)
    assert updated_at(database, table, row) == OLD  # the naive way: code that forgets it
    database.upgrade("touch_updated_at")
    database.execute(change, id=row)
    assert updated_at(database, table, row) > OLD


@each_table
def test_no_row_is_touched_before_its_next_update(before: Make, table: str) -> None:
    database = before("touch_updated_at")
    moments = f"SELECT id, updated_at FROM {table} ORDER BY id"
    earlier = database.query(moments)
    database.upgrade("touch_updated_at")
    assert database.query(moments) == earlier


@each_table
def test_what_the_statement_says_is_overruled_and_an_insert_is_not(after: Make, table: str) -> None:
    database = after("touch_updated_at")
    row = database.insert(table, updated_at=OLD)
    assert updated_at(database, table, row) == OLD
    database.execute(f"UPDATE {table} SET updated_at = '1999-01-01' WHERE id = :id", id=row)
    assert updated_at(database, table, row) > OLD


@each_table
def test_a_backfill_can_keep_it(after: Make, table: str) -> None:
    database = after("touch_updated_at")
    row = database.insert(table, updated_at=OLD)
    change = text(f"UPDATE {table} SET {CHANGES[table]}")
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL app.keep_updated_at = 'on'"))
        connection.execute(change)
    assert updated_at(database, table, row) == OLD
    with database.engine.connect() as connection:
        connection.execute(text("SET app.keep_updated_at = 'on'"))
        connection.execute(text("RESET app.keep_updated_at"))
        connection.execute(change)
        connection.commit()
    assert updated_at(database, table, row) > OLD


def test_what_a_foreign_key_changes_counts_too(after: Make) -> None:
    database = after("touch_updated_at")
    document = database.insert("documents")
    database.execute("ALTER TABLE webhooks ADD COLUMN about uuid REFERENCES documents ON DELETE SET NULL")
    webhook = database.insert("webhooks", about=document, updated_at=OLD)
    database.execute("DELETE FROM documents WHERE id = :id", id=document)
    assert database.value("SELECT about FROM webhooks WHERE id = :id", id=webhook) is None
    assert updated_at(database, "webhooks", webhook) > OLD


def test_a_function_of_the_same_name_in_the_callers_path_is_not_called(after: Make) -> None:
    database = after("touch_updated_at")
    row = database.insert("users", updated_at=OLD)
    database.execute("CREATE SCHEMA evil")
    database.execute(
        "CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '1666-09-02' $$"
    )
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL search_path = evil, pg_catalog, public"))
        assert connection.scalar(text("SELECT now()")) == datetime(1666, 9, 2, tzinfo=UTC)
        connection.execute(text("UPDATE users SET is_active = true WHERE id = :id"), {"id": row})
    assert updated_at(database, "users", row) > OLD


def test_every_table_of_the_chain_that_has_the_column_has_the_trigger(after: Make) -> None:
    without = (
        "SELECT c.relname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
        "WHERE attname = 'updated_at' AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace "
        "AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'touch_updated_at')"
    )
    assert after("index_webhook_deliveries").column(without) == []
