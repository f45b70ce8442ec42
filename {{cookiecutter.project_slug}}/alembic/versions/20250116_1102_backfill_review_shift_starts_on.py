"""Fill review_shifts.starts_on for the rows that are older than its trigger.

The UPDATE sets starts_at to itself, so that the trigger fires: only the trigger knows the expression. On
PostgreSQL 18 the column is virtual and NULL in no row, so this reads the table and writes nothing.

Scenario: backfill a generated column that a trigger keeps
Instead of: one UPDATE of all rows, which keeps every row locked until its commit
Locks: review_shifts RowExclusiveLock; one batch of rows at a time
Rollback: loses which review_shifts.starts_on were NULL; they stay until the column goes
Deploy: after add_review_shift_starts_on_generated, at any time
Needs: after add_review_shift_starts_on_generated; no trigger on review_shifts sets updated_at;
    review_shifts is not partitioned
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
                blocks bigint;
                block bigint;
                step bigint;
                first_ctid tid;
                next_ctid tid;
                tids tid[];
                batch tid[];
                found_rows bigint;
                started timestamptz;
                took double precision;
            BEGIN
                -- Again, if running code has moved a row to a block that was done.
                FOR pass IN 1..3 LOOP
                    blocks := pg_relation_size('review_shifts') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM review_shifts
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND starts_on IS NULL
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM review_shifts
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM review_shifts
                                WHERE ctid = ANY (batch) AND starts_on IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE review_shifts SET starts_at = starts_at WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_review_shift_starts_on: % of % blocks of review_shifts',
                            least(block, blocks), blocks;
                        -- A batch may take 50 ms. Pause: longer while a replica is behind.
                        took := extract(epoch FROM clock_timestamp() - started);
                        step := greatest(1, least(2 * step, 4000, 0.5 / took * step));
                        PERFORM pg_sleep(took * CASE WHEN EXISTS (
                            SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                        ) THEN 10 ELSE 0.1 END);
                    END LOOP;
                    EXIT WHEN found_rows = 0;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
