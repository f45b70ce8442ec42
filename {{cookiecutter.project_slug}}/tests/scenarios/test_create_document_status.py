"""An enum column, with its type."""

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Enum, select, update
from sqlalchemy.exc import DataError, ProgrammingError
from sqlalchemy.orm import Session

from models import Document, DocumentStatus
from tests.support import Database, Make

TYPES = "SELECT typname FROM pg_type WHERE typname LIKE 'document_status%'"


def test_old_rows_are_pending_without_a_rewrite(before: Make) -> None:
    database = before("create_document_status")
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.upgrade("create_document_status")
    assert database.column("SELECT DISTINCT status::text FROM documents") == ["pending"]
    assert database.value("SELECT pg_relation_filenode('documents')") == file


def test_old_code_goes_on_inserting(after: Make) -> None:
    database = after("create_document_status")
    document = database.insert("documents")
    assert database.value("SELECT status::text FROM documents WHERE id = :id", id=document) == "pending"


def test_only_the_four_labels_are_taken(after: Make) -> None:
    database = after("create_document_status")
    for status in ("pending", "processing", "completed", "failed"):
        database.insert("documents", status=status)
    for status in ("active", "PENDING", ""):
        with pytest.raises(DataError, match="invalid input value for enum"):
            database.insert("documents", status=status)


def test_the_type_comes_and_goes_with_the_column_offline_too(before: Make) -> None:
    database = before("create_document_status")
    database.offline_upgrade("create_document_status")
    assert database.column(TYPES) == ["document_status_enum"]
    database.offline_downgrade("create_document_status")
    assert database.column(TYPES) == []
    database.upgrade("create_document_status")
    assert database.column(TYPES) == ["document_status_enum"]
    database.downgrade("create_document_status")
    assert database.column(TYPES) == []


def test_to_add_the_column_alone_does_not_create_its_type(before: Make) -> None:
    with before("create_document_status").engine.connect() as connection:
        op = Operations(MigrationContext.configure(connection))
        with pytest.raises(ProgrammingError, match='type "document_status_enum" does not exist'):
            op.add_column("documents", Column("status", Enum("pending", name="document_status_enum")))


def test_the_model_writes_the_value_of_a_status_and_reads_it_back(head: Database) -> None:
    id_ = head.value("SELECT id FROM documents LIMIT 1")
    for status in DocumentStatus:
        with Session(head.engine) as session, session.begin():
            session.execute(update(Document).where(Document.id == id_).values(status=status))
        assert head.value("SELECT status::text FROM documents WHERE id = :id", id=id_) == status.value
        with Session(head.engine) as session:
            assert session.scalar(select(Document.status).where(Document.id == id_)) is status
