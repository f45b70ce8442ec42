"""Index the repairs, while they are written.

Scenario: index a big live table
Locks: repairs ShareUpdateExclusiveLock; reads the table twice for each index
Rollback: lossless
Deploy: at any time

Revision ID: a00000000002
Revises: a00000000001
Create Date: 2024-01-01 09:05:00.000000+00:00
"""

from alembic import op

revision = "a00000000002"
down_revision = "a00000000001"
branch_labels = None
depends_on = None

INDEXES = {
    "idx_repairs_tags": "USING gin (tags)",
    "idx_repairs_details": "USING gin (details jsonb_path_ops)",
    "idx_repairs_waiting": "(created_at) WHERE state = 'waiting'",
    "idx_repairs_list": "(created_at) INCLUDE (customer_id, priority) WHERE closed_at IS NULL",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON repairs {definition}")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
