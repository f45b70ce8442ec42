"""What is asked for, and what is paid: a schema of its own, so that fewer people may read it."""

from __future__ import annotations

import enum
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import DATERANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import Base
from models.orders import Order


class Currency(enum.StrEnum):
    EUR = "EUR"
    PLN = "PLN"
    USD = "USD"


CURRENCY = Enum(Currency, name="currency", schema="billing")


class Invoice(Base):
    """What a customer owes for an order."""

    __tablename__ = "invoice"
    __table_args__ = (
        CheckConstraint("net >= 0 AND tax >= 0", name="amounts_not_negative"),
        Index(None, "issued_on", postgresql_where=text("paid_on IS NULL")),
        {"schema": "billing", "comment": "Numbers have no gaps that nobody can explain"},
    )

    id: Mapped[int] = mapped_column(BigInteger(), Identity(always=True), primary_key=True)
    # The revision create_invoice_numbers makes the sequence.
    number: Mapped[int] = mapped_column(
        BigInteger(), server_default=text("nextval('billing.invoice_number'::regclass)"), unique=True
    )
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id"), index=True)
    currency: Mapped[Currency] = mapped_column(CURRENCY, server_default=Currency.EUR.value)
    net: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    tax: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    gross: Mapped[Decimal] = mapped_column(Numeric(12, 2), Computed("net + tax", persisted=True))
    issued_on: Mapped[date] = mapped_column(server_default=func.current_date())
    paid_on: Mapped[date | None]

    order: Mapped[Order] = relationship()
    payments: Mapped[list[Payment]] = relationship(back_populates="invoice")


class Payment(Base):
    """Money that has come in."""

    __tablename__ = "payment"
    __table_args__ = (CheckConstraint("amount <> 0", name="amount_not_zero"), {"schema": "billing"})

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    invoice_id: Mapped[int] = mapped_column(ForeignKey("billing.invoice.id"), index=True)
    currency: Mapped[Currency] = mapped_column(CURRENCY)
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2), comment="Negative: paid back")
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())

    invoice: Mapped[Invoice] = relationship(back_populates="payments")


class PricePeriod(Base):
    """What a product costs from one day to another: one price on each day."""

    __tablename__ = "price_period"
    __table_args__ = (
        ExcludeConstraint(
            ("product_id", "="),
            ("valid", "&&"),
            name="ex_price_period_product_id_valid",
            using="gist",
        ),
        {"schema": "billing"},
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    product_id: Mapped[int]
    valid: Mapped[Range[date]] = mapped_column(DATERANGE())
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
