"""Delete the deliveries of January 2025 by detaching and dropping their partition.

This is a catalogue change, however many rows the partition has. No row is read, and nothing is
left to vacuum. To keep the rows, run `pg_dump --table=webhook_deliveries_2025_01` first, or
leave the DROP out: a detached partition is a table of its own.

DETACH … CONCURRENTLY would let readers of the parent go on, but it is refused while there is a
DEFAULT partition. DEFAULT would have to be detached first and attached again. ATTACH scans it,
and until then an INSERT for a missing month fails. So this is the plain DETACH. With a short
lock_timeout and retries it stops no session for long. Both tables are locked first, the parent
before the child: in the other order it could deadlock with code that reads a webhook and then
its deliveries.

Scenario: delete old rows, a month at a time
Instead of: DELETE, which writes a dead version of each row and leaves the table as big as it was
Locks: webhook_deliveries AccessExclusiveLock with its partitions, webhooks AccessExclusiveLock;
    no rewrite, no scan
Rollback: loses webhook_deliveries of January 2025; the partition comes back empty
Deploy: after the code that reads that month is gone
Needs: webhook_deliveries is partitioned; webhook_deliveries_2025_01 exists; webhook_deliveries_default
    exists
Adapt: table webhook_deliveries, key uuid, column delivered_at, table webhooks

Revision ID: 1994929fd1ac
Revises: 50048051644a
Create Date: 2025-01-13 09:10:00.000000+00:00
"""

from alembic import op

revision = "1994929fd1ac"
down_revision = "50048051644a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE webhooks, ONLY webhook_deliveries IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE webhook_deliveries DETACH PARTITION webhook_deliveries_2025_01")
    op.drop_table("webhook_deliveries_2025_01")


def downgrade() -> None:
    op.execute("LOCK TABLE webhooks, ONLY webhook_deliveries IN ACCESS EXCLUSIVE MODE")
    op.execute("""
        CREATE TABLE webhook_deliveries_2025_01 (
            LIKE webhook_deliveries INCLUDING DEFAULTS,
            CONSTRAINT pk_webhook_deliveries_2025_01 PRIMARY KEY (id, delivered_at)
        )
    """)
    # A late delivery of that month may have gone into DEFAULT.
    op.execute("""
        WITH moved AS (
            DELETE FROM webhook_deliveries_default
            WHERE delivered_at >= '2025-01-01 00:00:00+00' AND delivered_at < '2025-02-01 00:00:00+00'
            RETURNING *
        )
        INSERT INTO webhook_deliveries_2025_01 SELECT * FROM moved
    """)
    op.execute("""
        ALTER TABLE webhook_deliveries ATTACH PARTITION webhook_deliveries_2025_01
        FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')
    """)
