"""Backfill documents.search for the documents that are older than its trigger.

The UPDATE sets title to itself, and the trigger fills search. So the rule stands in one place.
Batches as in backfill_user_name_parts. The index comes after this: one build over all rows
costs less than maintaining the index through every update.

Scenario: full-text search, second step: fill the column of the rows that exist
Instead of: one UPDATE, which locks every row it has changed until the last one is done
Locks: documents ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which documents.search were NULL; the words stay until the column goes
Deploy: before the code that searches
Needs: after add_document_search; no trigger on documents sets updated_at
Adapt: table documents, key uuid, columns search title

Revision ID: c80c4e1332e2
Revises: 96ee608fccce
Create Date: 2025-01-06 11:20:00.000000+00:00
"""

from alembic import op

revision = "c80c4e1332e2"
down_revision = "96ee608fccce"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'documents'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM documents ORDER BY id LIMIT 1);
                ids uuid[];
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM documents
                        WHERE id >= first_id ORDER BY id LIMIT 10 * batch_size + 1
                    );
                    first_id := ids[10 * batch_size + 1];
                    -- Ten batches, each of every tenth row: a batch reuses the space of the one before.
                    FOR part IN 1..10 LOOP
                        batch := ARRAY(SELECT ids[n] FROM generate_series(part, 10 * batch_size, 10) AS n);
                        -- An index scan locks the rows in the order of their ids, as code does.
                        SET LOCAL enable_seqscan = off;
                        SET LOCAL enable_bitmapscan = off;
                        UPDATE documents SET title = title
                        WHERE id = ANY (batch) AND search IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'backfill_document_search: % documents',
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
        op.execute("ANALYZE documents (search)")


def downgrade() -> None:
    pass
