"""Set documents.category_id to NULL where there is no such category.

The foreign key already refuses new orphans, so none appears behind the batches. The documents
stay; they lose only a number that refers to no category.

Scenario: clean orphans out of a big live table
Instead of: DELETE FROM documents WHERE category_id NOT IN (…), or one UPDATE of all of them
Locks: documents RowExclusiveLock, categories AccessShareLock; one batch of rows at a time
Rollback: loses documents.category_id where it led nowhere
Deploy: after add_document_category_fk, at any time
Needs: after add_document_category_fk; documents.category_id is nullable; no trigger on documents sets
    updated_at
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
                batch_size integer := 1000;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'documents'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM documents ORDER BY id LIMIT 1);
                next_id uuid;
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    next_id := (
                        SELECT id FROM documents WHERE id >= first_id ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    batch := ARRAY(
                        SELECT id FROM documents AS d
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id)
                            AND category_id IS NOT NULL
                            AND NOT EXISTS (SELECT FROM categories WHERE id = d.category_id)
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    UPDATE documents SET category_id = NULL WHERE id = ANY (batch);
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'clean_document_categories: % documents',
                        concat_ws(' of ', least(done, total), total);
                    first_id := next_id;
                    -- Next batch: as many rows as 50 ms allow. Pause: longer while a replica is behind.
                    took := extract(epoch FROM clock_timestamp() - started);
                    batch_size := least(2 * batch_size, greatest(100, 0.05 / took * batch_size));
                    PERFORM pg_sleep(took * CASE WHEN EXISTS (
                        SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                    ) THEN 10 ELSE 0.1 END);
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
