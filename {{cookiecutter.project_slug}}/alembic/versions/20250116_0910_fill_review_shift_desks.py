"""Give the review_shifts that have no desk the one at the door, A1.

No new NULL can come in: the constraint is enforced for every row that is written. So until a row is
filled, an UPDATE of any of its columns fails.

Scenario: fill a column that is going to be NOT NULL
Instead of: one UPDATE of all of them, which keeps every row locked until its commit
Locks: review_shifts RowExclusiveLock; one batch of rows at a time
Rollback: loses review_shifts.desk where it was NULL
Deploy: after require_review_shift_desk_not_valid, at any time
Needs: after require_review_shift_desk_not_valid; no trigger on review_shifts sets updated_at;
    review_shifts is not partitioned
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND desk IS NULL
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
                                WHERE ctid = ANY (batch) AND desk IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE review_shifts SET desk = 'A1' WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'fill_review_shift_desks: % of % blocks of review_shifts',
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
