"""Add the partition of February 2025 to webhook_deliveries.

Rows of the new month may be in DEFAULT; once the month has begun, all of them are. ATTACH
refuses while one is there. So they are moved, and until the commit no other may come. Both
tables are locked first, the parent before the child: the order of code that reads a webhook
and then its deliveries. Readers wait too, because ATTACH locks DEFAULT exclusively anyway. And
a lock raised later could deadlock with code that reads the deliveries and then writes one.

The lock lasts as long as the scan of DEFAULT. So add a month before it begins, when DEFAULT is
almost empty. If DEFAULT is big, give it a CHECK that excludes the month, NOT VALID and then
VALIDATE. Then ATTACH scans nothing, no such row can come, and no LOCK TABLE is needed.

Scenario: add a partition to a live table
Instead of: CREATE TABLE … PARTITION OF, which fails on rows that are in DEFAULT
Locks: webhooks AccessExclusiveLock, webhook_deliveries AccessExclusiveLock; scans
    webhook_deliveries_default and, for the foreign key of the rows that were moved, webhooks
Allow: scan webhook_deliveries_default, it is all but empty before the month begins
Allow: scan webhooks, it has few rows beside its deliveries
Rollback: lossless; moves its rows to DEFAULT under AccessExclusiveLock
Deploy: before the month begins, or soon after
Needs: webhook_deliveries is partitioned; webhook_deliveries_default exists
Adapt: table webhook_deliveries, key uuid, column delivered_at, table webhooks

Revision ID: 50048051644a
Revises: a877969939f6
Create Date: 2025-01-13 09:05:00.000000+00:00
"""

from alembic import op

revision = "50048051644a"
down_revision = "a877969939f6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE webhooks, ONLY webhook_deliveries IN ACCESS EXCLUSIVE MODE")
    op.execute("""
        CREATE TABLE webhook_deliveries_2025_02 (
            LIKE webhook_deliveries INCLUDING DEFAULTS,
            CONSTRAINT pk_webhook_deliveries_2025_02 PRIMARY KEY (id, delivered_at),
            CONSTRAINT ck_webhook_deliveries_2025_02_month
                CHECK (delivered_at >= '2025-02-01 00:00:00+00' AND delivered_at < '2025-03-01 00:00:00+00')
        )
    """)
    op.execute("""
        WITH moved AS (
            DELETE FROM webhook_deliveries_default
            WHERE delivered_at >= '2025-02-01 00:00:00+00' AND delivered_at < '2025-03-01 00:00:00+00'
            RETURNING *
        )
        INSERT INTO webhook_deliveries_2025_02 SELECT * FROM moved
    """)
    op.execute("""
        ALTER TABLE webhook_deliveries ATTACH PARTITION webhook_deliveries_2025_02
        FOR VALUES FROM ('2025-02-01 00:00:00+00') TO ('2025-03-01 00:00:00+00')
    """)
    # From now on the bounds of the partition say the same.
    op.execute("ALTER TABLE webhook_deliveries_2025_02 DROP CONSTRAINT ck_webhook_deliveries_2025_02_month")


def downgrade() -> None:
    op.execute("LOCK TABLE webhooks, ONLY webhook_deliveries IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE webhook_deliveries DETACH PARTITION webhook_deliveries_2025_02")
    # Through the parent, the rows go into DEFAULT.
    op.execute("INSERT INTO webhook_deliveries SELECT * FROM webhook_deliveries_2025_02")
    op.drop_table("webhook_deliveries_2025_02")
