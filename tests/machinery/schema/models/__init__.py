"""A workshop that repairs bicycles: what the tests of the machinery migrate."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from database import Base


class State(StrEnum):
    """How far a repair is."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


class Customer(Base):
    """Somebody with a bicycle."""

    __tablename__ = "customers"
    __table_args__ = (
        Index("idx_customers_name_lower", func.lower(text("name")), "email"),
        CheckConstraint("email = lower(email)", name="email_lowercase"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    name: Mapped[str]
    email: Mapped[str] = mapped_column(String(255))
    phone: Mapped[str | None] = mapped_column(String(20))
    joined_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Mechanic(Base):
    """Somebody with tools."""

    __tablename__ = "mechanics"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)


class Part(Base):
    """What a bicycle is made of, and what that is made of."""

    __tablename__ = "parts"
    __table_args__ = (
        UniqueConstraint("assembly_id", "name", postgresql_nulls_not_distinct=True),
        Index(None, "name", postgresql_using="hash"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    assembly_id: Mapped[int | None] = mapped_column(ForeignKey("parts.id"))
    name: Mapped[str]
    maker: Mapped[str] = mapped_column(String(255))


class Repair(Base):
    """One bicycle in the workshop."""

    __tablename__ = "repairs"
    __table_args__ = (
        Index(None, "tags", postgresql_using="gin"),
        Index(None, "details", postgresql_using="gin", postgresql_ops={"details": "jsonb_path_ops"}),
        Index("idx_repairs_waiting", "created_at", postgresql_where=text("state = 'waiting'")),
        Index(
            "idx_repairs_list",
            "created_at",
            postgresql_include=["customer_id", "priority"],
            postgresql_where=text("closed_at IS NULL"),
        ),
        CheckConstraint("minutes > 0", name="minutes_positive"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority_range"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    part_id: Mapped[int | None] = mapped_column(ForeignKey("parts.id", ondelete="SET NULL"), index=True)
    title: Mapped[str] = mapped_column(String(255))
    minutes: Mapped[int | None] = mapped_column(BigInteger())
    details: Mapped[dict[str, Any] | None]
    tags: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    priority: Mapped[int] = mapped_column(server_default=text("5"))
    state: Mapped[State] = mapped_column(
        Enum(State, name="repair_state", values_callable=lambda states: [state.value for state in states]),
        server_default=State.WAITING.value,
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]


class Note(Base):
    """A line that a mechanic has written down."""

    __tablename__ = "notes"
    __table_args__ = (
        UniqueConstraint("repair_id", "line"),
        Index(
            "idx_notes_at_brin",
            "at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    repair_id: Mapped[UUID] = mapped_column(ForeignKey("repairs.id", ondelete="CASCADE"))
    line: Mapped[int]
    text: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Visit(Base):
    """A bicycle on the stand, and who was at it. Partitioned by year; rows are only added."""

    __tablename__ = "visits"
    __table_args__ = (Index(None, "repair_id", "at"), {"postgresql_partition_by": "RANGE (at)"})

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    repair_id: Mapped[UUID] = mapped_column(ForeignKey("repairs.id", ondelete="CASCADE"))
    mechanic_id: Mapped[int | None] = mapped_column(ForeignKey("mechanics.id", ondelete="SET NULL"))
