"""What users upload, and what is read from it."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    FetchedValue,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import LOADING, Base, new_id

if TYPE_CHECKING:
    from models.auth import User


class DocumentStatus(enum.StrEnum):
    """The state of a document. The database has the values, not the names."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ERROR = "error"


class Category(Base):
    """A category of documents; it may have a parent."""

    __tablename__ = "categories"
    __table_args__ = (UniqueConstraint("parent_id", "name", postgresql_nulls_not_distinct=True),)

    id: Mapped[int] = mapped_column(BigInteger(), Identity(), primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(BigInteger(), ForeignKey("categories.id"))
    name: Mapped[str] = mapped_column(String(100))

    parent: Mapped[Category | None] = relationship(
        back_populates="children", remote_side="Category.id", lazy=LOADING
    )
    # A parent that has children cannot be deleted: the ORM must not set parent_id to NULL first.
    children: Mapped[list[Category]] = relationship(
        back_populates="parent", passive_deletes="all", lazy=LOADING
    )
    documents: Mapped[list[Document]] = relationship(
        back_populates="category", passive_deletes=True, lazy=LOADING
    )


class Document(Base):
    """A file that a user uploaded."""

    __tablename__ = "documents"
    __table_args__ = (
        Index(None, "tags", postgresql_using="gin"),
        Index(None, "search", postgresql_using="gin"),
        Index(None, "user_id", "created_at", "id"),
        Index("idx_documents_pending", "created_at", postgresql_where=text("status = 'pending'")),
        Index(
            "idx_documents_list",
            "created_at",
            postgresql_include=["user_id", "title"],
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(None, "metadata", postgresql_using="gin", postgresql_ops={"metadata": "jsonb_path_ops"}),
        Index(
            "idx_documents_title_trigram",
            "title",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops"},
        ),
        CheckConstraint("file_size > 0", name="file_size_positive"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority_range"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=func.uuid_by_time())
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(255))
    # In bytes; NULL if it is not known.
    file_size: Mapped[int | None] = mapped_column(BigInteger())
    category_id: Mapped[int | None] = mapped_column(
        BigInteger(), ForeignKey("categories.id", ondelete="SET NULL"), index=True
    )
    # The name "metadata" is reserved on every declarative class.
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    language: Mapped[str | None] = mapped_column(String(35))
    tags: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    priority: Mapped[int] = mapped_column(server_default=text("5"))
    status: Mapped[DocumentStatus] = mapped_column(
        Enum(
            DocumentStatus,
            name="document_status_enum",
            values_callable=lambda statuses: [status.value for status in statuses],
        ),
        server_default=DocumentStatus.PENDING.value,
    )
    deleted_at: Mapped[datetime | None]
    # A trigger keeps it up to date, for full-text search; deferred because no code reads it.
    search: Mapped[str | None] = mapped_column(TSVECTOR(), deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(),
        server_onupdate=FetchedValue(),  # by a trigger
    )

    user: Mapped[User] = relationship(back_populates="documents", lazy=LOADING)
    category: Mapped[Category | None] = relationship(back_populates="documents", lazy=LOADING)
    pages: Mapped[list[DocumentPage]] = relationship(
        back_populates="document",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="DocumentPage.page_number",
        lazy=LOADING,
    )


class DocumentPage(Base):
    """The text that was read from one page."""

    __tablename__ = "document_pages"
    # Deferrable: pages may swap their numbers within a transaction. It rules out ON CONFLICT.
    __table_args__ = (UniqueConstraint("document_id", "page_number", deferrable=True, initially="IMMEDIATE"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=func.gen_random_uuid())
    # The index of the unique constraint serves the foreign key too.
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    page_number: Mapped[int]
    text: Mapped[str | None]

    document: Mapped[Document] = relationship(back_populates="pages", lazy=LOADING)
