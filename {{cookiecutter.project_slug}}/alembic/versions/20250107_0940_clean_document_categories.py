"""Set documents.category_id to NULL where there is no such category.

The foreign key already refuses new orphans, so none appears behind the batches. The documents
stay; they lose only a number that refers to no category. Batches as in backfill_user_name_parts.

Scenario: clean orphans out of a big live table
Instead of: DELETE FROM documents WHERE category_id NOT IN (…), or one UPDATE of all of them
Locks: documents RowExclusiveLock, categories AccessShareLock; one batch of rows at a time
Rollback: loses documents.category_id where it led nowhere
Deploy: after add_document_category_fk, at any time
Needs: after add_document_category_fk; documents.category_id is nullable; no trigger on documents sets
    updated_at; documents is not partitioned
Adapt: table documents, key uuid, column category_id, table categories, key integer

Revision ID: ad2169ecadb0
Revises: c1cc8ac64f70
Create Date: 2025-01-07 09:40:00.000000+00:00
"""

from alembic import op

revision = "ad2169ecadb0"
down_revision = "c1cc8ac64f70"
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND category_id IS NOT NULL
                                AND NOT EXISTS (SELECT FROM categories WHERE id = documents.category_id)
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
                                WHERE ctid = ANY (batch)
                                    AND category_id IS NOT NULL
                                    AND NOT EXISTS (SELECT FROM categories WHERE id = documents.category_id)
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE documents SET category_id = NULL WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'clean_document_categories: % of % blocks of documents',
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
