"""What the sensors along the line say. Partitioned by month."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Identity, Index, SmallInteger
from sqlalchemy.dialects.postgresql import MACADDR
from sqlalchemy.orm import Mapped, mapped_column

from database import Base


class Sensor(Base):
    """A thermometer at a stop."""

    __tablename__ = "sensor"
    __table_args__ = (
        ForeignKeyConstraint(["line_code", "stop_number"], ["rail.stop.line_code", "rail.stop.number"]),
        {"schema": "rail"},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    line_code: Mapped[str | None]
    stop_number: Mapped[int | None] = mapped_column(SmallInteger())
    address: Mapped[str] = mapped_column(MACADDR(), unique=True)


class Measurement(Base):
    """One temperature. The revisions make the partitions."""

    __tablename__ = "measurement"
    __table_args__ = (
        Index("idx_measurement_measured_at_brin", "measured_at", postgresql_using="brin"),
        {"schema": "rail", "postgresql_partition_by": "RANGE (measured_at)"},
    )

    sensor_id: Mapped[int] = mapped_column(ForeignKey("rail.sensor.id"), primary_key=True)
    measured_at: Mapped[datetime] = mapped_column(primary_key=True)
    celsius: Mapped[float]
