"""Backfill documents.search for the documents that are older than its trigger.

The UPDATE sets title to itself, and the trigger fills search. So the rule stands in one place.
Batches as in backfill_user_name_parts. The index comes after this: one build over all rows
costs less than maintaining the index through every update.

Scenario: full-text search, second step: fill the column of the rows that exist
Instead of: one UPDATE, which locks every row it has changed until the last one is done
Locks: documents ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which documents.search were NULL; the words stay until the column goes
Deploy: before the code that searches
Needs: after add_document_search; no trigger on documents sets updated_at; documents is not partitioned
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
                blocks bigint;
                block bigint;
                step bigint;
                first_ctid tid;
                next_ctid tid;
                batch tid[];
                started timestamptz;
                took double precision;
            BEGIN
                -- Again, if running code has moved a row to a block that was done.
                FOR pass IN 1..3 LOOP
                    blocks := pg_relation_size('documents') / current_setting('block_size')::integer;
                    block := 0;
                    step := 16;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        -- Each batch has some rows of each block, and reuses the space of the one before.
                        FOR part IN 0..15 LOOP
                            batch := ARRAY(
                                SELECT ctid FROM documents
                                WHERE ctid >= first_ctid AND ctid < next_ctid AND hashtid(ctid) & 15 = part
                                    AND search IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE documents SET title = title WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_document_search: % of % blocks of documents',
                            least(block, blocks), blocks;
                        -- A batch may take 50 ms. Pause: longer while a replica is behind.
                        took := extract(epoch FROM clock_timestamp() - started);
                        step := greatest(1, least(2 * step, 16 * 0.05 / took * step));
                        PERFORM pg_sleep(took * CASE WHEN EXISTS (
                            SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                        ) THEN 10 ELSE 0.1 END);
                    END LOOP;
                    EXIT WHEN NOT EXISTS (SELECT FROM documents WHERE search IS NULL);
                END LOOP;
            END
            $$
        """)
        op.execute("ANALYZE documents (search)")


def downgrade() -> None:
    pass
