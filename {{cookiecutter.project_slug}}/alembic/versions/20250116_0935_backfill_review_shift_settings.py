"""Fill review_shifts.settings for the rows that are older than its trigger: the backfill step.

The UPDATE sets options to itself, so that the trigger fires: only the trigger knows how a text becomes
jsonb. Rows whose options are NULL are left alone.

Scenario: backfill a column by the trigger that keeps it
Instead of: one UPDATE of all rows with a cast, which the first text that is no JSON undoes as a whole
Locks: review_shifts RowExclusiveLock; one batch of rows at a time
Rollback: loses which review_shifts.settings were NULL; they stay until the column goes
Deploy: after expand_review_shift_options, at any time
Needs: after expand_review_shift_options; no trigger on review_shifts sets updated_at; review_shifts is
    not partitioned
Adapt: table review_shifts, key uuid, columns options settings

Revision ID: ab33850957ab
Revises: 58a11f0bbd05
Create Date: 2025-01-16 09:35:00.000000+00:00
"""

from alembic import op

revision = "ab33850957ab"
down_revision = "58a11f0bbd05"
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND settings IS NULL AND options IS NOT NULL
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
                                WHERE ctid = ANY (batch) AND settings IS NULL AND options IS NOT NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE review_shifts SET options = options WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_review_shift_settings: % of % blocks of review_shifts',
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
