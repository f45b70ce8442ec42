"""Add audit_logs.ip_address, as an address rather than a text.

inet accepts IPv4 and IPv6 and refuses everything else. It sorts by number and knows which
network an address belongs to. Old entries have NULL.

    add     ip_address, NULL in every row; old code runs
    deploy  the new code writes ip_address; the old code may still run
    index   the index; both may run
    deploy  the new code searches by network

Scenario: store IP addresses
Instead of: varchar(45), in which 10.0.0.9 comes after 10.0.0.10 and "unknown" is an address
Locks: audit_logs AccessExclusiveLock; no rewrite, no scan
Rollback: loses audit_logs.ip_address
Deploy: before the code that writes it
Needs: nothing
Adapt: table audit_logs, new column ip_address

Revision ID: 86d9e678f975
Revises: 292ed5613f03
Create Date: 2025-01-09 09:50:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "86d9e678f975"
down_revision = "292ed5613f03"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_logs", sa.Column("ip_address", postgresql.INET()))


def downgrade() -> None:
    op.drop_column("audit_logs", "ip_address")
