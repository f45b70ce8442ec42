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
                tids tid[];
                batch tid[];
                found_rows bigint;
                started timestamptz;
                took double precision;
            BEGIN
                -- Again, if running code has moved a row to a block that was done.
                FOR pass IN 1..3 LOOP
                    blocks := pg_relation_size('documents') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM documents
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND search IS NULL
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM documents
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM documents
                                WHERE ctid = ANY (batch) AND search IS NULL
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
        op.execute("ANALYZE documents (search)")


def downgrade() -> None:
    pass
