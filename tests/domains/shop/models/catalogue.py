"""What the shop sells."""

from __future__ import annotations

import enum
from decimal import Decimal

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, DOMAIN, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import Base

# The revision enable_extensions makes it.
SKU = DOMAIN("sku", Text(), check="VALUE ~ '^[A-Z]{3}-[0-9]+$'", create_type=False)


class ProductKind(enum.StrEnum):
    GOODS = "goods"
    DOWNLOAD = "download"
    GIFT_CARD = "gift card"


class Category(Base):
    """A shelf of the shop, in the order in which they are shown."""

    __tablename__ = "category"
    __table_args__ = (
        # Two shelves change places in one transaction.
        UniqueConstraint("parent_id", "position", deferrable=True, initially="DEFERRED"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(80))

    parent: Mapped[Category | None] = relationship(remote_side="Category.id", back_populates="children")
    children: Mapped[list[Category]] = relationship(back_populates="parent")


product_label = Table(
    "product_label",
    Base.metadata,
    Column("product_id", ForeignKey("product.id", ondelete="CASCADE"), primary_key=True),
    Column("label", ForeignKey("label.name", onupdate="CASCADE"), primary_key=True, index=True),
)


class Label(Base):
    """A word that products are found by."""

    __tablename__ = "label"

    name: Mapped[str] = mapped_column(CITEXT(), primary_key=True)

    products: Mapped[list[Product]] = relationship(secondary=product_label, back_populates="labels")


class Product(Base):
    """Something that can be ordered."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("price >= 0", name="price_not_negative"),
        CheckConstraint("vat IN (0, 7, 19)", name="vat_known"),
        Index(
            "idx_product_title_trigram",
            "title",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops"},
        ),
        Index(None, "search", postgresql_using="gin"),
        {"comment": "What can be ordered; what no longer can be stays, for the old orders' sake"},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    sku: Mapped[str] = mapped_column(SKU, unique=True, comment="Three letters, a dash, a number")
    title: Mapped[str]
    category_id: Mapped[int | None] = mapped_column(ForeignKey("category.id", ondelete="SET NULL"))
    kind: Mapped[ProductKind] = mapped_column(
        Enum(ProductKind, name="product_kind", values_callable=lambda kinds: [kind.value for kind in kinds])
    )
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    vat: Mapped[int] = mapped_column(server_default=text("19"), comment="In percent")
    gross: Mapped[Decimal] = mapped_column(
        Numeric(12, 2), Computed("round(price * (100 + vat) / 100, 2)", persisted=True)
    )
    search: Mapped[str] = mapped_column(
        TSVECTOR(), Computed("to_tsvector('simple'::regconfig, title)", persisted=True), deferred=True
    )

    labels: Mapped[list[Label]] = relationship(secondary=product_label, back_populates="products")
