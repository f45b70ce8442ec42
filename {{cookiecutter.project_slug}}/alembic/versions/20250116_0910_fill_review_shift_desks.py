"""Give the review_shifts that have no desk the one at the door, A1.

No new NULL can come in: the constraint is enforced for every row that is written. So until a row is
filled, an UPDATE of any of its columns fails.

Scenario: fill a column that is going to be NOT NULL
Instead of: one UPDATE of all of them, which keeps every row locked until its commit
Locks: review_shifts RowExclusiveLock; one batch of rows at a time
Rollback: loses review_shifts.desk where it was NULL
Deploy: after require_review_shift_desk_not_valid, at any time
Needs: after require_review_shift_desk_not_valid; no trigger on review_shifts sets updated_at
Adapt: table review_shifts, key uuid, column desk, label A1

Revision ID: c1234389861c
Revises: 73b18fec3859
Create Date: 2025-01-16 09:10:00.000000+00:00
"""

from alembic import op

revision = "c1234389861c"
down_revision = "73b18fec3859"
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
                        UPDATE review_shifts SET desk = 'A1'
                        WHERE id = ANY (batch) AND desk IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'fill_review_shift_desks: % review_shifts',
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
