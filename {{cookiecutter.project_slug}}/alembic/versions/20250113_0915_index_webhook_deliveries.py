"""Index webhook_deliveries by webhook and time, while deliveries are recorded.

A partitioned table cannot be indexed concurrently. So the parent gets an index ON ONLY itself,
which is INVALID and builds nothing. Each partition gets its own index concurrently, and that
is attached. With the last one the parent's index becomes valid. A partition that is added
later gets its index by itself.

The revision asks the server for the partitions. A script of `--sql` cannot ask, so it names
those of the chain. If there is another partition, the script fails at the end and says what to
do. Indexes of an earlier run are kept.

Scenario: index a partitioned table
Instead of: CREATE INDEX on the parent, under which writes to all partitions wait until all are built
Locks: webhook_deliveries ShareLock (an instant), webhook_deliveries_2025_02 ShareUpdateExclusiveLock,
    webhook_deliveries_default ShareUpdateExclusiveLock,
    idx_webhook_deliveries_2025_02_webhook_id_delivered_at AccessExclusiveLock,
    idx_webhook_deliveries_default_webhook_id_delivered_at AccessExclusiveLock; each partition is read
    twice; its readers wait a moment while its index is attached
Rollback: lossless
Deploy: before the code that lists the deliveries of a webhook
Needs: webhook_deliveries is partitioned; names that need neither quotes nor a schema, because it quotes
    the names of the partitions itself
Adapt: table webhook_deliveries, columns webhook_id delivered_at

Revision ID: 9bf00ca5ad98
Revises: 1994929fd1ac
Create Date: 2025-01-13 09:15:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "9bf00ca5ad98"
down_revision = "1994929fd1ac"
branch_labels = None
depends_on = None

NAME = "idx_webhook_deliveries_webhook_id_delivered_at"
OF_THE_CHAIN = ["webhook_deliveries_2025_02", "webhook_deliveries_default"]


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"CREATE INDEX IF NOT EXISTS {NAME} ON ONLY webhook_deliveries (webhook_id, delivered_at)")
        quote = op.get_context().dialect.identifier_preparer.quote
        for partition in partitions():
            index = f"idx_{partition}_webhook_id_delivered_at"
            # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
            op.execute(f"""
                DO $$
                BEGIN
                    LOCK TABLE {quote(partition)} IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                    IF EXISTS (
                        SELECT FROM pg_index WHERE indexrelid = to_regclass('{quote(index)}') AND NOT indisvalid
                    ) THEN
                        ALTER INDEX {quote(index)} RENAME TO {quote(f"{index}_invalid")};
                    END IF;
                END
                $$
            """)
            op.drop_index(
                f"{index}_invalid", table_name=partition, if_exists=True, postgresql_concurrently=True
            )
            op.create_index(
                index,
                partition,
                ["webhook_id", "delivered_at"],
                postgresql_concurrently=True,
                if_not_exists=True,
            )
            op.execute(f"ALTER INDEX {NAME} ATTACH PARTITION {quote(index)}")
        op.execute(f"""
            DO $$
            BEGIN
                IF NOT (SELECT indisvalid FROM pg_index WHERE indexrelid = '{NAME}'::regclass) THEN
                    RAISE EXCEPTION 'a partition of webhook_deliveries has no index yet'
                    USING HINT = 'Run this revision online, or name the partition in OF_THE_CHAIN.';
                END IF;
            END
            $$
        """)


def partitions() -> list[str]:
    if op.get_context().as_sql:
        return OF_THE_CHAIN
    children = "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
    parent = "WHERE inhparent = 'webhook_deliveries'::regclass ORDER BY 1"
    return list(op.get_bind().scalars(sa.text(children + parent)))


def downgrade() -> None:
    op.drop_index(NAME, table_name="webhook_deliveries")
