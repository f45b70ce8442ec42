"""Shorten the names and weights of review_topics that are longer than narrow_review_topics allows.

A name that is cut ends with an ellipsis. A weight is cut, not rounded: 9999.9999 would become 10000.00,
which has no room in numeric(8, 4). Until its row is repaired, an UPDATE of any column fails (23514).

Scenario: repair values that are too long for a new limit
Instead of: round(weight, 2), which fails on the greatest weight that there can be
Locks: review_topics RowExclusiveLock; one batch of rows at a time
Rollback: loses the ends of review_topics.name and review_topics.weight
Deploy: after narrow_review_topics, soon
Needs: after narrow_review_topics; no trigger on review_topics sets updated_at
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
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'review_topics'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM review_topics ORDER BY id LIMIT 1);
                ids uuid[];
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM review_topics
                        WHERE id >= first_id ORDER BY id LIMIT 10 * batch_size + 1
                    );
                    first_id := ids[10 * batch_size + 1];
                    -- Ten batches, each of every tenth row: a batch reuses the space of the one before.
                    FOR part IN 1..10 LOOP
                        batch := ARRAY(SELECT ids[n] FROM generate_series(part, 10 * batch_size, 10) AS n);
                        -- An index scan locks the rows in the order of their ids, as code does.
                        SET LOCAL enable_seqscan = off;
                        SET LOCAL enable_bitmapscan = off;
                        UPDATE review_topics SET
                            name = CASE WHEN char_length(name) > 60 THEN left(name, 59) || '…' ELSE name END,
                            weight = trunc(weight, 2)
                        WHERE id = ANY (batch)
                            AND (char_length(name) > 60 OR weight <> trunc(weight, 2));
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'shorten_review_topics: % review_topics',
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
