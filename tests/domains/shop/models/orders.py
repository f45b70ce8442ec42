"""Who buys what. Its names are those of the shop's first program, which quoted everything."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Numeric,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import Base
from models.catalogue import Product


class OrderStatus(enum.StrEnum):
    CART = "cart"
    PLACED = "placed"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


STATUS = Enum(
    OrderStatus, name="order_status", values_callable=lambda statuses: [status.value for status in statuses]
)


class Customer(Base):
    """A person with an account."""

    __tablename__ = "Customer"

    user_id: Mapped[int] = mapped_column("User Id", BigInteger(), Identity(always=True), primary_key=True)
    email: Mapped[str] = mapped_column(CITEXT(), unique=True)
    notify_on: Mapped[list[OrderStatus]] = mapped_column(
        "notifyOn", ARRAY(STATUS), server_default=text("'{shipped}'")
    )

    orders: Mapped[list[Order]] = relationship(back_populates="customer")


class Order(Base):
    """What one customer buys at one time."""

    __tablename__ = "order"
    __table_args__ = (
        CheckConstraint("\"placedAt\" IS NOT NULL OR status = 'cart'", name="placed"),
        {"comment": "A customer sees and changes no others than their own (policy own_orders)"},
    )

    id: Mapped[int] = mapped_column(BigInteger(), Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        "User Id", BigInteger(), ForeignKey("Customer.User Id", ondelete="RESTRICT")
    )
    status: Mapped[OrderStatus] = mapped_column(STATUS, server_default=OrderStatus.CART.value)
    placed_at: Mapped[datetime | None] = mapped_column("placedAt")

    customer: Mapped[Customer] = relationship(back_populates="orders")
    items: Mapped[list[OrderItem]] = relationship(
        back_populates="order", cascade="all, delete-orphan", passive_deletes=True
    )


class OrderItem(Base):
    """One line of an order."""

    __tablename__ = "order_item"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity_positive"),)

    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    quantity: Mapped[int] = mapped_column(server_default=text("1"))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(10, 2), comment="As it was when it was ordered")

    order: Mapped[Order] = relationship(back_populates="items")
    product: Mapped[Product] = relationship()


class OrderEvent(Base):
    """A status that an order has had. A trigger writes it."""

    __tablename__ = "order_event"

    id: Mapped[int] = mapped_column(BigInteger(), Identity(always=True), primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
    status: Mapped[OrderStatus] = mapped_column(STATUS)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class ShippedItem(Base):
    """A line of an order, or a part of it, in a parcel."""

    __tablename__ = "shipped_item"
    __table_args__ = (
        ForeignKeyConstraint(
            ["order_id", "line"], ["order_item.order_id", "order_item.line"], ondelete="CASCADE"
        ),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )

    order_id: Mapped[int] = mapped_column(BigInteger(), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    parcel: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[int]
