"""Replace 0 by NULL in documents.file_size, where 0 means "unknown".

Here a size of 0 or less is never a real size. The constraint and its trigger already stop new
ones, so when this has ended, none is left.

Scenario: repair the rows that break a new CHECK
Locks: documents RowExclusiveLock; one batch of rows at a time
Rollback: loses which documents.file_size were 0; they stay NULL until allow_unknown_file_size is undone
Deploy: after check_document_file_size_positive
Needs: after check_document_file_size_positive; no trigger on documents sets updated_at
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
                        UPDATE documents SET file_size = NULL
                        WHERE id = ANY (batch) AND file_size <= 0;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'clear_unknown_file_sizes: % documents',
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
