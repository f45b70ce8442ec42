"""Give the review_requests whose urgency is no label the level "normal".

The trigger writes it into urgency too, so the text that was there is gone: copy it to where it can be
read, if it says something. If some of them mean a label ("asap" is "high"), give them that one here.

Scenario: give a label to the texts that are none
Instead of: one UPDATE of all of them, which keeps every row locked until its commit
Locks: review_requests RowExclusiveLock; one batch of rows at a time
Rollback: loses review_requests.urgency and review_requests.level where the text was no label
Deploy: after check_review_request_urgency, soon: the rows that it has not reached cannot be updated
Needs: after check_review_request_urgency; no trigger on review_requests sets updated_at;
    review_requests is not partitioned
Adapt: table review_requests, key uuid, columns urgency level, label normal

Revision ID: 2673d464dc27
Revises: e476b8f4e102
Create Date: 2025-01-16 10:44:00.000000+00:00
"""

from alembic import op

revision = "2673d464dc27"
down_revision = "e476b8f4e102"
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
                                AND level IS NULL AND urgency IS NOT NULL
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
                                WHERE ctid = ANY (batch) AND level IS NULL AND urgency IS NOT NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE review_requests SET level = 'normal' WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'fill_review_request_levels: % of % blocks of review_requests',
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
