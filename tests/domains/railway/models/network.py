"""What stands and what runs."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

from sqlalchemy import (
    CHAR,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import CIDR, CITEXT
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import Base


class Station(Base):
    """Where trains stop."""

    __tablename__ = "station"
    __table_args__ = ({"schema": "rail", "comment": "Also those that are closed"},)

    code: Mapped[str] = mapped_column(CHAR(3), primary_key=True)
    name: Mapped[str] = mapped_column(CITEXT())
    network: Mapped[str | None] = mapped_column(CIDR(), comment="Of its displays")


class Line(Base):
    """A row of stations."""

    __tablename__ = "line"
    __table_args__ = ({"schema": "rail"},)

    code: Mapped[str] = mapped_column(primary_key=True)
    # Where this one goes on under another name.
    continues_as: Mapped[str | None] = mapped_column(ForeignKey("rail.line.code"))

    stops: Mapped[list[Stop]] = relationship(order_by="Stop.number")


class Stop(Base):
    """A station on a line."""

    __tablename__ = "stop"
    __table_args__ = (
        # Stations are put in between; the numbers fit again when the transaction ends.
        UniqueConstraint("line_code", "metres", deferrable=True, initially="IMMEDIATE"),
        CheckConstraint("metres >= 0", name="metres_not_negative"),
        {"schema": "rail"},
    )

    line_code: Mapped[str] = mapped_column(ForeignKey("rail.line.code"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger(), primary_key=True)
    station_code: Mapped[str] = mapped_column(ForeignKey("rail.station.code"), index=True)
    metres: Mapped[int]
    kilometres: Mapped[float] = mapped_column(Numeric(7, 3), Computed("metres / 1000.0", persisted=True))


class Train(Base):
    """What runs every day at one time on a line."""

    __tablename__ = "train"
    __table_args__ = ({"schema": "rail"},)

    line_code: Mapped[str] = mapped_column(ForeignKey("rail.line.code"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    departs: Mapped[time]
    takes: Mapped[timedelta]
    top_speed: Mapped[int | None] = mapped_column(comment="In km/h")
    equipment: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class Seat(Base):
    """A seat of a train."""

    __tablename__ = "seat"
    __table_args__ = (
        ForeignKeyConstraint(
            ["line_code", "train_number"], ["rail.train.line_code", "rail.train.number"], ondelete="CASCADE"
        ),
        {"schema": "rail"},
    )

    line_code: Mapped[str] = mapped_column(primary_key=True)
    train_number: Mapped[int] = mapped_column(primary_key=True)
    coach: Mapped[int] = mapped_column(SmallInteger(), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger(), primary_key=True)
    at_window: Mapped[bool]
