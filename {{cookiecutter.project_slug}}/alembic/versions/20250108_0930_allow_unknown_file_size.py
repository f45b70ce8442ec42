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
Needs: documents.file_size is NOT NULL; no trigger on documents sets updated_at; documents is not
    partitioned
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND file_size IS NULL
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
                                WHERE ctid = ANY (batch) AND file_size IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE documents SET file_size = 0 WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'allow_unknown_file_size: % of % blocks of documents',
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
