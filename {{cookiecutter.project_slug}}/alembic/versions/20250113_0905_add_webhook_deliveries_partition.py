"""Add the partition of February 2025 to webhook_deliveries.

CREATE TABLE … PARTITION OF would stop all who read or write the parent. ATTACH lets them go
on. What it wants to know it reads first: the new table, unless a CHECK says what it holds;
and the DEFAULT partition, which nobody can use meanwhile, to see that none of its rows
belongs to the new month. Such rows are moved here; one that comes too late makes ATTACH fail,
everything is rolled back, and the revision can be run again.

The foreign key is left to ATTACH: had the new table one of its own, joining the two would
lock webhooks against reads as well.

So add a month before it begins, when DEFAULT is all but empty. Where DEFAULT is big, give it
a CHECK that excludes the month, NOT VALID and then VALIDATE, and ATTACH reads nothing.

Scenario: add a partition to a live table
Instead of: CREATE TABLE … PARTITION OF, which locks the parent, and fails on rows that are in DEFAULT
Locks: webhook_deliveries ShareUpdateExclusiveLock, webhook_deliveries_default AccessExclusiveLock,
    webhooks ShareRowExclusiveLock; scans webhook_deliveries_default and, for the
    foreign key of the rows that were moved, webhooks
Allow: scan webhook_deliveries_default, it is all but empty before the month begins
Allow: scan webhooks, it has few rows beside its deliveries, and only late deliveries wait for it
Rollback: lossless
Deploy: before the month begins

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
    # The bounds of the partition say the same from now on.
    op.execute("ALTER TABLE webhook_deliveries_2025_02 DROP CONSTRAINT ck_webhook_deliveries_2025_02_month")


def downgrade() -> None:
    op.execute("ALTER TABLE webhook_deliveries DETACH PARTITION webhook_deliveries_2025_02")
    # The parent puts the rows where they belong now: into DEFAULT.
    op.execute("INSERT INTO webhook_deliveries SELECT * FROM webhook_deliveries_2025_02")
    op.drop_table("webhook_deliveries_2025_02")
