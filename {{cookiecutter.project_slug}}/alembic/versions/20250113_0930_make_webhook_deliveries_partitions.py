"""Create a function that makes the partitions of webhook_deliveries before their months begin.

A revision cannot do that: it runs at a deploy, and a month begins without one. Any scheduler
can call `SELECT make_webhook_deliveries_partitions(3)`. It makes the missing partitions of
this month and the next three, and returns how many it has made. If all are there it blocks
nothing, so it may run every day. If two sessions call it at once, the second one waits, and
then finds all there. If it does not get its lock within a second, it fails, and the next run
tries again. The function names tables, so it keeps the search_path of this session.

Each partition is made as in add_webhook_deliveries_partition: rows of its month move over from
DEFAULT. The earlier it is made, the fewer these are. If DEFAULT still holds rows afterwards,
they are of other months. Then a WARNING names these months, and a scheduler's log shows it.

Scenario: have a scheduler make the next partitions
Instead of: one revision a month, until a month is forgotten
Locks: none on existing tables
Rollback: lossless
Deploy: at any time; then the job that calls it, as a role that owns the table
Needs: webhook_deliveries is partitioned; webhook_deliveries_default exists; names that need neither
    quotes nor a schema, because the function makes names of them
Adapt: table webhook_deliveries, key uuid, columns webhook_id delivered_at, table webhooks, name month

Revision ID: e3a86f1d7c52
Revises: 5ae6e697479a
Create Date: 2025-01-13 09:30:00.000000+00:00
"""

from alembic import op

revision = "e3a86f1d7c52"
down_revision = "5ae6e697479a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION make_webhook_deliveries_partitions(months integer) RETURNS integer
        LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1s' SET timezone = 'UTC' AS $$
        DECLARE
            this_month CONSTANT timestamptz := date_trunc('month', now());
            first timestamptz;
            next timestamptz;
            partition text;
            made integer := 0;
            left_over text;
        BEGIN
            FOR n IN 0 .. months LOOP
                first := this_month + n * interval '1 month';
                next := first + interval '1 month';
                partition := 'webhook_deliveries_' || to_char(first, 'YYYY_MM');
                CONTINUE WHEN to_regclass(partition) IS NOT NULL;
                -- The parent first, as code does. Then look again: another session may have made it.
                LOCK TABLE webhooks, ONLY webhook_deliveries IN ACCESS EXCLUSIVE MODE;
                CONTINUE WHEN to_regclass(partition) IS NOT NULL;
                EXECUTE format('CREATE TABLE %I (
                    LIKE webhook_deliveries INCLUDING DEFAULTS,
                    CONSTRAINT %I PRIMARY KEY (id, delivered_at),
                    CONSTRAINT month CHECK (delivered_at >= %L AND delivered_at < %L)
                )', partition, 'pk_' || partition, first, next);
                EXECUTE format('WITH moved AS (
                    DELETE FROM webhook_deliveries_default
                    WHERE delivered_at >= %L AND delivered_at < %L RETURNING *
                )
                INSERT INTO %I SELECT * FROM moved', first, next, partition);
                EXECUTE format('CREATE INDEX %I ON %I (webhook_id, delivered_at)',
                    'idx_' || partition || '_webhook_id_delivered_at', partition);
                EXECUTE format('ALTER TABLE webhook_deliveries ATTACH PARTITION %I
                    FOR VALUES FROM (%L) TO (%L)', partition, first, next);
                EXECUTE format('ALTER TABLE %I DROP CONSTRAINT month', partition);
                made := made + 1;
            END LOOP;
            SELECT string_agg(DISTINCT to_char(delivered_at, 'YYYY-MM'), ', ') INTO left_over
            FROM webhook_deliveries_default;
            IF left_over IS NOT NULL THEN
                RAISE WARNING 'webhook_deliveries_default holds rows of %', left_over;
            END IF;
            RETURN made;
        END
        $$
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION make_webhook_deliveries_partitions(integer)")
