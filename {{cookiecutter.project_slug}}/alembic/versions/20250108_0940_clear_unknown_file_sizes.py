"""Replace 0 by NULL in documents.file_size, where 0 means "unknown".

Here a size of 0 or less is never a real size. The constraint and its trigger already stop new
ones, so when this has ended, none is left.

Scenario: repair the rows that break a new CHECK
Locks: documents RowExclusiveLock; one batch of rows at a time
Rollback: loses which documents.file_size were 0; they stay NULL until allow_unknown_file_size is undone
Deploy: after check_document_file_size_positive
Needs: after check_document_file_size_positive; no trigger on documents sets updated_at; documents is
    not partitioned
Adapt: table documents, key uuid, column file_size

Revision ID: 5acb292806c0
Revises: b3679a7c963e
Create Date: 2025-01-08 09:40:00.000000+00:00
"""

from alembic import op

revision = "5acb292806c0"
down_revision = "b3679a7c963e"
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND file_size <= 0
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
                                WHERE ctid = ANY (batch) AND file_size <= 0
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE documents SET file_size = NULL WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'clear_unknown_file_sizes: % of % blocks of documents',
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
