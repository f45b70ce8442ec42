"""A column under another name."""

import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import Column, MetaData, String, Table
from sqlalchemy.exc import ProgrammingError

from tests.support import Make


def test_every_document_keeps_its_name_up_and_down(before: Make) -> None:
    database = before("rename_document_name_to_title")
    names = database.query("SELECT id, name FROM documents ORDER BY id")
    database.upgrade("rename_document_name_to_title")
    assert database.query("SELECT id, title FROM documents ORDER BY id") == names
    late = database.insert("documents", title="late")
    database.downgrade("rename_document_name_to_title")
    assert database.value("SELECT name FROM documents WHERE id = :id", id=late) == "late"


def test_what_autogenerate_writes_would_lose_them_all(before: Make) -> None:
    database = before("rename_document_name_to_title")
    model = Table("documents", MetaData(), Column("title", String(255), nullable=False))
    only = {"include_object": lambda _item, name, kind, *_: kind != "table" or name == "documents"}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=only)
        operations = produce_migrations(context, model.metadata).upgrade_ops
    assert operations
    code = render_python_code(operations)
    assert "op.add_column('documents', sa.Column('title', sa.String(length=255), nullable=False))" in code
    assert "op.drop_column('documents', 'name')" in code


def test_no_row_is_touched(before: Make) -> None:
    database = before("rename_document_name_to_title")
    versions = "SELECT id, ctid::text, xmin::text FROM documents ORDER BY id"
    earlier = database.query(versions)
    database.upgrade("rename_document_name_to_title")
    assert database.query(versions) == earlier


def test_indexes_and_views_follow(before: Make) -> None:
    database = before("rename_document_name_to_title")
    database.execute("CREATE INDEX idx_test ON documents (lower(name))")
    database.execute("CREATE VIEW named AS SELECT id, name FROM documents")
    database.upgrade("rename_document_name_to_title")
    assert "lower((title)::text)" in database.value("SELECT pg_get_indexdef('idx_test'::regclass)")
    # A view keeps its own column's name, so code that reads the view notices nothing.
    assert database.value("SELECT count(name) FROM named") == database.value("SELECT count(*) FROM documents")


def test_code_that_says_name_fails_from_then_on(after: Make) -> None:
    database = after("rename_document_name_to_title")
    with pytest.raises(ProgrammingError, match='column "name" does not exist'):
        database.query("SELECT id, name FROM documents")


def test_no_constraint_keeps_the_old_name(after: Make) -> None:
    database = after("rename_document_name_to_title")
    # PostgreSQL 18 has names for NOT NULL, earlier ones have none.
    names = database.column("SELECT conname FROM pg_constraint WHERE conrelid = 'documents'::regclass")
    assert [name for name in names if "_name" in name] == []
