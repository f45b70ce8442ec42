"""What was done, by whom, and when."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, func
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from database import Base, new_id


class AuditLog(Base):
    """One action of one user. The table is partitioned by time; the models do not have its partitions."""

    __tablename__ = "audit_logs"
    __table_args__ = (
        Index(None, "user_id", "timestamp"),
        Index(
            "idx_audit_logs_timestamp_brin",
            "timestamp",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
        Index(None, "ip_address", postgresql_using="spgist"),
        {
            "comment": "What was done, by whom, and when. Rows are only ever added.",
            "postgresql_partition_by": "RANGE (timestamp)",
        },
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=func.gen_random_uuid())
    # The row stays when its user is deleted.
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    action: Mapped[str] = mapped_column(
        String(100), comment="Kind of thing and verb, such as document.create"
    )
    # In the key, because the table is partitioned by it.
    timestamp: Mapped[datetime] = mapped_column(
        primary_key=True,
        server_default=func.now(),
        comment="When it was done, by the clock of the database",
    )
    details: Mapped[dict[str, Any] | None] = mapped_column(
        comment="What else is known; the keys depend on the action"
    )
    ip_address: Mapped[IPv4Address | IPv6Address | None] = mapped_column(INET())
