"""Bring every documents.priority into the range from 0 to 9, which the next revision requires.

A priority outside the range meant "more urgent than any" or "less urgent than any", and the
nearest limit means almost the same. If no value is a fair replacement, raise an error and let
a person decide.

The rows are mended before the CHECK is there, because the code that could break it is gone. So
no UPDATE of another column is ever refused. If such code still runs, the CHECK must come
first: see check_document_file_size_positive.

    deploy  the code writes priorities from 0 to 9 only
    clamp   every row is in the range; code that writes another priority is gone
    check   the CHECK; another priority is refused (23514)

Scenario: repair values before a CHECK is added
Locks: documents RowExclusiveLock; one batch of rows at a time
Rollback: loses documents.priority where it was beyond the range
Deploy: after the code that writes a priority outside 0 to 9 is gone
Needs: documents.priority is integer; no trigger on documents sets updated_at
Adapt: table documents, key uuid, column priority

Revision ID: 8e451ee7df19
Revises: 596f435509ae
Create Date: 2025-01-08 09:50:00.000000+00:00
"""

from alembic import op

revision = "8e451ee7df19"
down_revision = "596f435509ae"
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
                        UPDATE documents SET priority = greatest(0, least(priority, 9))
                        WHERE id = ANY (batch) AND priority NOT BETWEEN 0 AND 9;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'clamp_document_priorities: % documents',
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
