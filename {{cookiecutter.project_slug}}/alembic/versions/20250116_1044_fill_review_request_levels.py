"""Give the review_requests whose urgency is no label the level "normal".

The trigger writes it into urgency too, so the text that was there is gone: copy it to where it can be
read, if it says something. If some of them mean a label ("asap" is "high"), give them that one here.

Scenario: give a label to the texts that are none
Instead of: one UPDATE of all of them, which keeps every row locked until its commit
Locks: review_requests RowExclusiveLock; one batch of rows at a time
Rollback: loses review_requests.urgency and review_requests.level where the text was no label
Deploy: after check_review_request_urgency, soon: the rows that it has not reached cannot be updated
Needs: after check_review_request_urgency; no trigger on review_requests sets updated_at
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
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'review_requests'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM review_requests ORDER BY id LIMIT 1);
                ids uuid[];
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM review_requests
                        WHERE id >= first_id ORDER BY id LIMIT 10 * batch_size + 1
                    );
                    first_id := ids[10 * batch_size + 1];
                    -- Ten batches, each of every tenth row: a batch reuses the space of the one before.
                    FOR part IN 1..10 LOOP
                        batch := ARRAY(SELECT ids[n] FROM generate_series(part, 10 * batch_size, 10) AS n);
                        -- An index scan locks the rows in the order of their ids, as code does.
                        SET LOCAL enable_seqscan = off;
                        SET LOCAL enable_bitmapscan = off;
                        UPDATE review_requests SET level = 'normal'
                        WHERE id = ANY (batch) AND level IS NULL AND urgency IS NOT NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'fill_review_request_levels: % review_requests',
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
