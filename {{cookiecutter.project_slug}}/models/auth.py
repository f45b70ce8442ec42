"""Who may use the service."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    Identity,
    Index,
    String,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from database import LOADING, Base, new_id

if TYPE_CHECKING:
    from models.documents import Document
    from models.webhooks import Webhook


class Role(Base):
    """What a user may do: 1 admin, 2 user, 3 reviewer."""

    __tablename__ = "roles"
    __table_args__ = (CheckConstraint("btrim(name) <> ''", name="name_not_blank"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)

    # A role that a user has cannot be deleted: the ORM must not set role_id to NULL first.
    users: Mapped[list[User]] = relationship(back_populates="role", passive_deletes="all", lazy=LOADING)


class User(Base):
    """A person with an account."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lowercase"),
        Index("idx_users_created_at", "created_at"),
        Index("idx_users_name_lower", text("lower(last_name)"), text("lower(first_name)")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=func.gen_random_uuid())
    email: Mapped[str] = mapped_column(unique=True)
    username: Mapped[str] = mapped_column(String(150), unique=True)
    first_name: Mapped[str | None] = mapped_column(String(200))
    last_name: Mapped[str | None] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(20))
    role_id: Mapped[int] = mapped_column(ForeignKey("roles.id"), server_default=text("2"))
    is_active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(),
        server_onupdate=FetchedValue(),  # by a trigger
    )

    role: Mapped[Role] = relationship(back_populates="users", lazy=LOADING)
    auth_providers: Mapped[list[AuthProvider]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True, lazy=LOADING
    )
    documents: Mapped[list[Document]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True, lazy=LOADING
    )
    webhooks: Mapped[list[Webhook]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True, lazy=LOADING
    )

    @validates("email")
    def _in_lower_case(self, _key: str, email: str) -> str:
        return email.lower()


class AuthProvider(Base):
    """A way in which a user proves who they are; "local" is by password."""

    __tablename__ = "auth_providers"

    id: Mapped[UUID] = mapped_column(unique=True, default=new_id, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str] = mapped_column(String(50), primary_key=True)
    # For "local", the hash of the password.
    credentials: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    user: Mapped[User] = relationship(back_populates="auth_providers", lazy=LOADING)
