"""Copy status to new_status in the rows that are older than the trigger: the backfill step.

"archived" becomes "completed" in the new column only. The old column keeps it until the
contract step, so until then there is a way back.

Scenario: remove a label from an enum: backfill
Instead of: one UPDATE, which locks every row it has changed until the last one is done
Locks: documents ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which documents.new_status were NULL; they stay until the column goes
Deploy: after expand_document_status
Needs: after expand_document_status; no trigger on documents sets updated_at
Adapt: table documents, key uuid, column status, labels archived completed

Revision ID: 9a46fcf04bfc
Revises: 9cb7e3766e97
Create Date: 2025-01-08 10:25:00.000000+00:00
"""

from alembic import op

revision = "9a46fcf04bfc"
down_revision = "9cb7e3766e97"
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
                        UPDATE documents SET new_status = (
                            CASE status WHEN 'archived' THEN 'completed' ELSE status::text END
                        )::document_status_enum_new
                        WHERE id = ANY (batch) AND new_status IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'backfill_document_status: % documents',
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
        op.execute("ANALYZE documents (new_status)")


def downgrade() -> None:
    pass
