"""Give every page of a document a number of its own.

If two pages have one number, nothing says which is right, so neither is deleted. The page with
the lowest id keeps the number. The others go behind the document's last page, in their old
order. All pages of a document are in one batch, because they are numbered together.

Each batch first locks the documents, then their pages, all in the order of their ids. Until
the commit these documents get no new page, and no page gets another number. So the last
statement counts what is really there.

    deploy    the code gives each page a number of its own
    renumber  no number twice; code that gives one twice is gone
    unique    the constraint; a second page of one number is refused (23505)

Scenario: resolve duplicates without losing a row
Instead of: DELETE … WHERE id NOT IN (SELECT min(id) …), which loses text; and up to PostgreSQL 18 there
    is no min(uuid)
Locks: document_pages RowExclusiveLock, documents RowShareLock; one batch of rows at a time
Rollback: loses which document_pages.page_number were the same
Deploy: after the code that gives one number twice is gone
Needs: document_pages.document_id refers to documents; document_pages.page_number is integer; no trigger
    on document_pages sets updated_at
Adapt: table document_pages, key uuid, columns document_id page_number, table documents, key uuid

Revision ID: d909e28f4970
Revises: aa266fe1a1aa
Create Date: 2025-01-08 10:35:00.000000+00:00
"""

from alembic import op

revision = "d909e28f4970"
down_revision = "aa266fe1a1aa"
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
                        SELECT id FROM documents
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id)
                            AND EXISTS (
                                SELECT FROM document_pages WHERE document_id = documents.id
                                GROUP BY page_number HAVING count(*) > 1
                            )
                        ORDER BY id FOR UPDATE
                    );
                    PERFORM FROM document_pages WHERE document_id = ANY (batch)
                    ORDER BY id FOR NO KEY UPDATE;
                    UPDATE document_pages SET page_number = last_page + place
                    FROM (
                        SELECT id AS page_id, last_page,
                            row_number() OVER (PARTITION BY document_id ORDER BY page_number, id) AS place
                        FROM (
                            SELECT id, document_id, page_number,
                                max(page_number) OVER (PARTITION BY document_id) AS last_page,
                                row_number() OVER (PARTITION BY document_id, page_number ORDER BY id) AS copy
                            FROM document_pages
                            WHERE document_id = ANY (batch)
                        ) AS numbered
                        WHERE copy > 1
                    ) AS copies
                    WHERE id = page_id;
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'renumber_document_pages: % documents',
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
