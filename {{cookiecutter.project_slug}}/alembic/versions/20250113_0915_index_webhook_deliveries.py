"""Index webhook_deliveries by webhook and moment, while deliveries are recorded.

A partitioned table has no concurrent build. So the parent gets an index that is ON ONLY it:
INVALID, and nothing to build. Each partition gets its own, concurrently, and that is
attached. With the last one the parent's becomes valid, and every partition added later gets
its index by itself.

Run again, it drops the parent's index first, and the attached ones with it. Name all your
partitions: while one is missing the parent's index stays INVALID.

Scenario: index a partitioned table
Instead of: CREATE INDEX on the parent, under which writes to all partitions wait until all are built
Locks: webhook_deliveries ShareLock (an instant), webhook_deliveries_2025_02 ShareUpdateExclusiveLock,
    webhook_deliveries_default ShareUpdateExclusiveLock; each partition is read twice
Rollback: lossless
Deploy: before the code that lists the deliveries of a webhook

Revision ID: 9bf00ca5ad98
Revises: 1994929fd1ac
Create Date: 2025-01-13 09:15:00.000000+00:00
"""

from alembic import op

revision = "9bf00ca5ad98"
down_revision = "1994929fd1ac"
branch_labels = None
depends_on = None

NAME = "idx_webhook_deliveries_webhook_id_delivered_at"
PARTITIONS = {
    "webhook_deliveries_2025_02": "idx_webhook_deliveries_2025_02_webhook_id_delivered_at",
    "webhook_deliveries_default": "idx_webhook_deliveries_default_webhook_id_delivered_at",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # PostgreSQL drops no index of a partitioned table concurrently.
        op.drop_index(NAME, table_name="webhook_deliveries", if_exists=True)
        op.execute(f"CREATE INDEX {NAME} ON ONLY webhook_deliveries (webhook_id, delivered_at)")
        for partition, name in PARTITIONS.items():
            op.drop_index(name, table_name=partition, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, partition, ["webhook_id", "delivered_at"], postgresql_concurrently=True)
            op.execute(f"ALTER INDEX {NAME} ATTACH PARTITION {name}")


def downgrade() -> None:
    op.drop_index(NAME, table_name="webhook_deliveries")
