"""Give documents.created_at and documents.updated_at a time zone.

This is a revision of its own, apart from that for users. Each holds the exclusive lock of one
table only, and does not wait for the other table while it holds it. These columns have no
index; for one that has an index, see drop_users_created_index.

Scenario: change several tables, one lock at a time
Instead of: both tables in one transaction, which stalls both of them while it waits for one lock
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that accepts both types; Python refuses to compare a datetime that has
    a zone with one that has none
Needs: documents.created_at is timestamp without time zone; documents.updated_at is timestamp without
    time zone; no index on documents.created_at; no index on documents.updated_at; values that are in
    UTC; connections that prepare no statements
Adapt: table documents, columns created_at updated_at

Revision ID: cd47ea8cd68e
Revises: e07c41d9a6f5
Create Date: 2025-01-08 09:25:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "cd47ea8cd68e"
down_revision = "e07c41d9a6f5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    op.alter_column("documents", "created_at", type_=sa.DateTime(timezone=True))
    op.alter_column("documents", "updated_at", type_=sa.DateTime(timezone=True))


def downgrade() -> None:
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    op.alter_column("documents", "created_at", type_=sa.DateTime())
    op.alter_column("documents", "updated_at", type_=sa.DateTime())
