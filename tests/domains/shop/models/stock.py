"""Where the goods are."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CHAR, CheckConstraint, ForeignKey, func, text
from sqlalchemy.dialects.postgresql import INT4RANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from database import Base


class Warehouse(Base):
    """A building."""

    __tablename__ = "warehouse"

    code: Mapped[str] = mapped_column(CHAR(4), primary_key=True)
    shelves: Mapped[Range[int]] = mapped_column(INT4RANGE(), comment="Their numbers")


class Stock(Base):
    """How much of a product is in a warehouse."""

    __tablename__ = "stock"
    __table_args__ = (CheckConstraint("quantity >= 0", name="quantity_not_negative"),)

    warehouse_code: Mapped[str] = mapped_column(ForeignKey("warehouse.code"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(server_default=text("0"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="Kept by a trigger")
