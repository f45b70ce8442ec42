"""Addresses that are called when something happens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import FetchedValue, ForeignKey, Index, String, func, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import LOADING, Base, new_id

if TYPE_CHECKING:
    from models.auth import User


class Webhook(Base):
    """An address that is called when one of its events happens."""

    __tablename__ = "webhooks"
    __table_args__ = (
        Index(
            "uq_webhooks_user_id_url_hash_active",
            "user_id",
            text("md5(url)"),
            unique=True,
            postgresql_where=text("is_active"),
        ),
        Index(None, "url", postgresql_using="hash"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    url: Mapped[str]
    events: Mapped[list[str]]
    secret: Mapped[str | None] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(),
        server_onupdate=FetchedValue(),  # by a trigger
    )

    user: Mapped[User] = relationship(back_populates="webhooks", lazy=LOADING)
    deliveries: Mapped[list[WebhookDelivery]] = relationship(
        back_populates="webhook", cascade="all, delete-orphan", passive_deletes=True, lazy=LOADING
    )


class WebhookDelivery(Base):
    """One call of a webhook. The table is partitioned by month; the models do not have its partitions."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(None, "webhook_id", "delivered_at"),
        {"postgresql_partition_by": "RANGE (delivered_at)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=func.gen_random_uuid())
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event: Mapped[str]
    status_code: Mapped[int | None]  # None if there was no answer
    payload: Mapped[dict[str, Any] | None]
    # In the key, because the table is partitioned by it.
    delivered_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())

    webhook: Mapped[Webhook] = relationship(back_populates="deliveries", lazy=LOADING)
