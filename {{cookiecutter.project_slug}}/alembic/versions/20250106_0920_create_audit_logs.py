"""Create audit_logs: who did what, and when.

A plain CREATE INDEX is right here. No other session sees the table before the commit, so none
waits for it. The table and its indexes are committed together or not at all.

Scenario: add a table with JSONB, timestamps and indexes
Instead of: CREATE INDEX CONCURRENTLY, on a new table that no other session sees yet
Locks: users ShareRowExclusiveLock (for the foreign key; writes to users wait until the commit)
Rollback: loses audit_logs
Deploy: before the code that writes the log
Needs: nothing
Adapt: new table audit_logs, key uuid, columns user_id action timestamp details, table users, key uuid

Revision ID: ef7c2db4637e
Revises: 266b40b53474
Create Date: 2025-01-06 09:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ef7c2db4637e"
down_revision = "266b40b53474"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("details", postgresql.JSONB()),
        sa.PrimaryKeyConstraint("id", name="pk_audit_logs"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_audit_logs_user_id", ondelete="CASCADE"),
    )
    op.create_index("idx_audit_logs_user_id", "audit_logs", ["user_id"])
    op.create_index("idx_audit_logs_timestamp", "audit_logs", ["timestamp"])


def downgrade() -> None:
    op.execute("LOCK TABLE users, audit_logs IN ACCESS EXCLUSIVE MODE")
    op.drop_index("idx_audit_logs_timestamp", table_name="audit_logs")
    op.drop_index("idx_audit_logs_user_id", table_name="audit_logs")
    op.drop_table("audit_logs")
