"""Who sits where. The schema and its names are those of the program that it came from."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Numeric,
    Table,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, DOMAIN, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import Base

FARE = DOMAIN("fare", Numeric(8, 2), check="VALUE >= 0", schema="Booking")


class Status(enum.Enum):
    """The database has the names, and people read the values."""

    HELD = "held for some minutes"
    PAID = "paid"
    CANCELLED = "cancelled"


STATUS = Enum(Status, name="Status", schema="Booking")

traveller_card = Table(
    "Traveller Card",
    Base.metadata,
    Column("User Id", ForeignKey("Booking.Traveller.User Id", ondelete="CASCADE"), primary_key=True),
    Column("Card", ForeignKey("Booking.Card.Name"), primary_key=True),
    Column("Valid Until", Date(), nullable=False, comment="The last day"),
    schema="Booking",
)


class Card(Base):
    """What makes it cheaper."""

    __tablename__ = "Card"
    __table_args__ = (
        CheckConstraint('"Percent Off" BETWEEN 1 AND 100', name="percent"),
        {"schema": "Booking"},
    )

    name: Mapped[str] = mapped_column("Name", primary_key=True)
    percent_off: Mapped[int] = mapped_column("Percent Off")


class Traveller(Base):
    """A person with an account, or one that another travels with."""

    __tablename__ = "Traveller"
    __table_args__ = ({"schema": "Booking", "comment": "People; those under 14 have a guardian"},)

    user_id: Mapped[int] = mapped_column("User Id", BigInteger(), Identity(always=True), primary_key=True)
    guardian_id: Mapped[int | None] = mapped_column(
        "Guardian", ForeignKey("Booking.Traveller.User Id", ondelete="SET NULL")
    )
    email: Mapped[str | None] = mapped_column("E-Mail", CITEXT(), unique=True)
    phone: Mapped[str | None] = mapped_column("Phone No", comment='As typed, such as "030/12:45"')
    notify_on: Mapped[list[Status]] = mapped_column(
        "Notify On", ARRAY(STATUS), server_default=text("'{PAID,CANCELLED}'")
    )

    guardian: Mapped[Traveller | None] = relationship(remote_side="Traveller.user_id")
    cards: Mapped[list[Card]] = relationship(secondary=traveller_card)
    reservations: Mapped[list[Reservation]] = relationship(back_populates="traveller")


class Reservation(Base):
    """A seat, from one moment to another."""

    __tablename__ = "Reservation"
    __table_args__ = (
        ForeignKeyConstraint(
            ["Line", "Train", "Coach", "Seat"],
            ["rail.seat.line_code", "rail.seat.train_number", "rail.seat.coach", "rail.seat.number"],
            name="fk_Reservation_seat",
        ),
        ExcludeConstraint(
            ("Line", "="),
            ("Train", "="),
            ("Coach", "="),
            ("Seat", "="),
            ("During", "&&"),
            where=text("\"Status\" <> 'CANCELLED'"),
            name="ex_Reservation_one_at_a_time",
            using="gist",
        ),
        CheckConstraint('NOT isempty("During")', name="During"),
        Index("idx_Reservation_User Id_start", "User Id", text('lower("During")')),
        {"schema": "Booking"},
    )

    # Made by the application, so that it knows what it is about to insert.
    id: Mapped[UUID] = mapped_column("Id", primary_key=True, default=uuid4)
    user_id: Mapped[int] = mapped_column("User Id", ForeignKey("Booking.Traveller.User Id"))
    line_code: Mapped[str] = mapped_column("Line")
    train_number: Mapped[int] = mapped_column("Train")
    coach: Mapped[int] = mapped_column("Coach")
    seat_number: Mapped[int] = mapped_column("Seat")
    during: Mapped[Range[datetime]] = mapped_column("During", TSTZRANGE())
    status: Mapped[Status] = mapped_column("Status", STATUS, server_default=Status.HELD.name)
    price: Mapped[Decimal] = mapped_column("Price Paid", FARE, server_default=text("0"))

    traveller: Mapped[Traveller] = relationship(back_populates="reservations")


class StatusLog(Base):
    """What a reservation was before. A trigger writes it."""

    __tablename__ = "Status Log"
    __table_args__ = ({"schema": "Booking"},)

    id: Mapped[int] = mapped_column("Id", BigInteger(), Identity(always=True), primary_key=True)
    reservation_id: Mapped[UUID] = mapped_column(
        "Reservation", ForeignKey("Booking.Reservation.Id", ondelete="CASCADE"), index=True
    )
    status: Mapped[Status] = mapped_column("Status", STATUS)
    at: Mapped[datetime] = mapped_column("At", server_default=func.now())
