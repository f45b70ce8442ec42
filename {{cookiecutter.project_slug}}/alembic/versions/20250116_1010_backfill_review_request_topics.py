"""Make a topic of each keyword of the review_requests that are older than the trigger: the backfill step.

The batch locks its requests, so no session writes an array between the moment when it is read and the
moment when its rows are there. What the trigger or new code has written meanwhile stays: ON
CONFLICT leaves it alone.

Scenario: fill a table from the arrays of another
Instead of: one INSERT of all elements, which the first NULL among them undoes as a whole
Locks: review_requests RowExclusiveLock, topics RowExclusiveLock, review_request_topics RowExclusiveLock; one
    batch of rows at a time
Rollback: loses which rows of topics and review_request_topics came from here; both places have every topic
Deploy: after expand_review_request_keywords; before the code that knows topics
Needs: after expand_review_request_keywords; no keyword longer than 2,600 bytes
Adapt: table review_requests, key uuid, column keywords, table topics, column name, table
    review_request_topics, columns review_request_id topic_name

Revision ID: dc069e04c436
Revises: e9e509759b4e
Create Date: 2025-01-16 10:10:00.000000+00:00
"""

from alembic import op

revision = "dc069e04c436"
down_revision = "e9e509759b4e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 1000;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'review_requests'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM review_requests ORDER BY id LIMIT 1);
                next_id uuid;
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    next_id := (
                        SELECT id FROM review_requests WHERE id >= first_id
                        ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    batch := ARRAY(
                        SELECT id FROM review_requests
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id) AND keywords <> '{}'
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    INSERT INTO topics (name)
                    SELECT DISTINCT keyword FROM review_requests, unnest(keywords) AS keyword
                    WHERE id = ANY (batch) AND keyword IS NOT NULL ORDER BY keyword
                    ON CONFLICT DO NOTHING;
                    INSERT INTO review_request_topics (review_request_id, topic_name)
                    SELECT DISTINCT id, keyword FROM review_requests, unnest(keywords) AS keyword
                    WHERE id = ANY (batch) AND keyword IS NOT NULL ORDER BY id, keyword
                    ON CONFLICT DO NOTHING;
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'backfill_review_request_topics: % review_requests',
                        concat_ws(' of ', least(done, total), total);
                    first_id := next_id;
                    -- Next batch: as many rows as 50 ms allow. Pause: longer while a replica is behind.
                    took := extract(epoch FROM clock_timestamp() - started);
                    batch_size := least(2 * batch_size, greatest(100, 0.05 / took * batch_size));
                    PERFORM pg_sleep(took * CASE WHEN EXISTS (
                        SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                    ) THEN 10 ELSE 0.1 END);
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
