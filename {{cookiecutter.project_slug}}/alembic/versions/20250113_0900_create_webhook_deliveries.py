"""Create webhook_deliveries, partitioned by month.

Old months can be dropped as a whole, and a query that names a range of time reads only its
months. The key of a partitioned table must include the column that it is partitioned by. So it
is (id, delivered_at), and an id alone is unique only because it is random.

The DEFAULT partition takes rows of months that have no partition, so no INSERT fails because
the next month is missing. Partitions are plain tables, made by SQL. The models know only the
parent. Autogenerate of this project leaves partitions alone; Alembic's own would drop them.
PostgreSQL names their keys (webhook_deliveries_default_pkey); here they get our names.

Scenario: create a table that is partitioned by month
Instead of: one table without partitions, whose old rows are removed by a DELETE that takes hours
Locks: webhooks ShareRowExclusiveLock (for the foreign key; writes to webhooks wait until the commit)
Rollback: loses webhook_deliveries
Deploy: before the code that records deliveries
Needs: nothing
Adapt: new table webhook_deliveries, key uuid, columns webhook_id event status_code payload delivered_at,
    table webhooks, key uuid

Revision ID: a877969939f6
Revises: 4cccd73bc039
Create Date: 2025-01-13 09:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a877969939f6"
down_revision = "4cccd73bc039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("status_code", sa.Integer()),
        sa.Column("payload", postgresql.JSONB()),
        sa.Column("delivered_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", "delivered_at", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name="fk_webhook_deliveries_webhook_id", ondelete="CASCADE"
        ),
        postgresql_partition_by="RANGE (delivered_at)",
    )
    op.execute("""
        CREATE TABLE webhook_deliveries_2025_01 PARTITION OF webhook_deliveries
        FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')
    """)
    op.execute("CREATE TABLE webhook_deliveries_default PARTITION OF webhook_deliveries DEFAULT")
    for partition in ("webhook_deliveries_2025_01", "webhook_deliveries_default"):
        op.execute(f"ALTER INDEX {partition}_pkey RENAME TO pk_{partition}")


def downgrade() -> None:
    op.execute("LOCK TABLE webhooks, webhook_deliveries IN ACCESS EXCLUSIVE MODE")
    op.drop_table("webhook_deliveries")
