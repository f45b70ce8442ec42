"""Fill review_requests.level for the texts that are labels and older than the trigger: the backfill step.

The UPDATE sets urgency to itself, so that the trigger fires: only the trigger knows how a text becomes a
label. A text that is none is left alone, as the trigger would leave it.

Scenario: backfill a column of an enum by the trigger that keeps it
Instead of: one UPDATE of all rows with a cast, which the first text that is no label undoes as a whole
Locks: review_requests RowExclusiveLock; one batch of rows at a time
Rollback: loses which review_requests.level were NULL; they stay until the column goes
Deploy: after expand_review_request_urgency, at any time
Needs: after expand_review_request_urgency; no trigger on review_requests sets updated_at;
    review_requests is not partitioned
Adapt: table review_requests, key uuid, columns urgency level, labels low normal high

Revision ID: 2a0bc16fdf9f
Revises: 91344580f46b
Create Date: 2025-01-16 10:40:00.000000+00:00
"""

from alembic import op

revision = "2a0bc16fdf9f"
down_revision = "91344580f46b"
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
                    blocks := pg_relation_size('review_requests') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM review_requests
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND level IS NULL AND lower(btrim(urgency)) IN ('low', 'normal', 'high')
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM review_requests
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM review_requests
                                WHERE ctid = ANY (batch)
                                    AND level IS NULL AND lower(btrim(urgency)) IN ('low', 'normal', 'high')
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE review_requests SET urgency = urgency WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_review_request_levels: % of % blocks of review_requests',
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
