"""Fill review_shifts.starts_on for the rows that are older than its trigger.

The UPDATE sets starts_at to itself, so that the trigger fires: only the trigger knows the expression. On
PostgreSQL 18 the column is virtual and NULL in no row, so this reads the table and writes nothing.

Scenario: backfill a generated column that a trigger keeps
Instead of: one UPDATE of all rows, which keeps every row locked until its commit
Locks: review_shifts RowExclusiveLock; one batch of rows at a time
Rollback: loses which review_shifts.starts_on were NULL; they stay until the column goes
Deploy: after add_review_shift_starts_on_generated, at any time
Needs: after add_review_shift_starts_on_generated; no trigger on review_shifts sets updated_at
Adapt: table review_shifts, key uuid, columns starts_at starts_on

Revision ID: ea7599d76b98
Revises: 86894a08023f
Create Date: 2025-01-16 11:02:00.000000+00:00
"""

from alembic import op

revision = "ea7599d76b98"
down_revision = "86894a08023f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'review_shifts'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM review_shifts ORDER BY id LIMIT 1);
                ids uuid[];
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM review_shifts
                        WHERE id >= first_id ORDER BY id LIMIT 10 * batch_size + 1
                    );
                    first_id := ids[10 * batch_size + 1];
                    -- Ten batches, each of every tenth row: a batch reuses the space of the one before.
                    FOR part IN 1..10 LOOP
                        batch := ARRAY(SELECT ids[n] FROM generate_series(part, 10 * batch_size, 10) AS n);
                        -- An index scan locks the rows in the order of their ids, as code does.
                        SET LOCAL enable_seqscan = off;
                        SET LOCAL enable_bitmapscan = off;
                        UPDATE review_shifts SET starts_at = starts_at
                        WHERE id = ANY (batch) AND starts_on IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'backfill_review_shift_starts_on: % review_shifts',
                        concat_ws(' of ', least(done, total), total);
                    -- A batch has as many rows as 50 ms allow. Pause: longer while a replica is behind.
                    took := extract(epoch FROM clock_timestamp() - started);
                    batch_size := least(2 * batch_size, greatest(100, 0.5 / took * batch_size));
                    PERFORM pg_sleep(took * CASE WHEN EXISTS (
                        SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                    ) THEN 10 ELSE 0.1 END);
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
