"""Shorten the names and weights of review_topics that are longer than narrow_review_topics allows.

A name that is cut ends with an ellipsis. A weight is cut, not rounded: 9999.9999 would become 10000.00,
which has no room in numeric(8, 4). Until its row is repaired, an UPDATE of any column fails (23514).

Scenario: repair values that are too long for a new limit
Instead of: round(weight, 2), which fails on the greatest weight that there can be
Locks: review_topics RowExclusiveLock; one batch of rows at a time
Rollback: loses the ends of review_topics.name and review_topics.weight
Deploy: after narrow_review_topics, soon
Needs: after narrow_review_topics; no trigger on review_topics sets updated_at; review_topics is not
    partitioned
Adapt: table review_topics, key uuid, columns name weight

Revision ID: 6207d486391a
Revises: 966501e0e8a1
Create Date: 2025-01-16 11:14:00.000000+00:00
"""

from alembic import op

revision = "6207d486391a"
down_revision = "966501e0e8a1"
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
                    blocks := pg_relation_size('review_topics') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM review_topics
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND (char_length(name) > 60 OR weight <> trunc(weight, 2))
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM review_topics
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM review_topics
                                WHERE ctid = ANY (batch)
                                    AND (char_length(name) > 60 OR weight <> trunc(weight, 2))
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE review_topics SET
                                name = CASE WHEN char_length(name) > 60 THEN left(name, 59) || '…' ELSE name END,
                                weight = trunc(weight, 2) WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'shorten_review_topics: % of % blocks of review_topics',
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
