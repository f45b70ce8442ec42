"""Allow NULL in documents.file_size, for a size that is not known.

Until now 0 meant "not known", and an average counted it as a size of 0. DROP NOT NULL changes
one catalogue entry. The way back needs a value for every NULL, and a scan: the downgrade
writes 0 in batches, and then validates a CHECK, as in require_user_role.

    deploy    the new code can read NULL; the old code, which writes 0, may still run
    allow     file_size may be NULL
    check     the CHECK, NOT VALID, and a trigger that turns a new 0 into NULL
    clear     no row has 0 any more
    validate  the CHECK is valid, no trigger; the old code is gone: a 0 is refused (23514)

Scenario: allow NULL in a column
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; an unknown size becomes 0 again
Deploy: after the code that can read a NULL
Needs: documents.file_size is NOT NULL; no trigger on documents sets updated_at
Adapt: table documents, key uuid, column file_size

Revision ID: 274a9aebd602
Revises: cd47ea8cd68e
Create Date: 2025-01-08 09:30:00.000000+00:00
"""

from alembic import op

revision = "274a9aebd602"
down_revision = "cd47ea8cd68e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("documents", "file_size", nullable=True)


def downgrade() -> None:
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
                        UPDATE documents SET file_size = 0
                        WHERE id = ANY (batch) AND file_size IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'allow_unknown_file_size: % documents',
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
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint WHERE conrelid = 'documents'::regclass AND conname = 'ck_documents_file_size_not_null'
                ) THEN
                    LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE documents ADD CONSTRAINT ck_documents_file_size_not_null CHECK (file_size IS NOT NULL) NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_file_size_not_null")
        op.alter_column("documents", "file_size", nullable=False)
        op.drop_constraint(op.f("ck_documents_file_size_not_null"), "documents", type_="check")
