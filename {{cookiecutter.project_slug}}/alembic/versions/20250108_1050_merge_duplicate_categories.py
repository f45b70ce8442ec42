"""Make one of categories that have the same name and the same parent.

The oldest stays. Documents move over in batches, each committed by itself, then the last
few, the children and the twin itself go in one transaction: the lock on the twin's row
keeps new documents from pointing to it meanwhile, so that ON DELETE SET NULL finds none to
clear. Children that meet a child of the same name are twins in their turn, hence the loop.

Scenario: merge rows that others point to
Instead of: deleting the duplicates, with which ON DELETE SET NULL forgets what the documents were
Locks: categories RowExclusiveLock, documents RowExclusiveLock; one batch of rows at a time
Rollback: loses categories that were twins, and which of them documents.category_id was
Deploy: after the code that makes a second category of one name is gone

Revision ID: 5a0ada7809b7
Revises: be07d77c8995
Create Date: 2025-01-08 10:50:00.000000+00:00
"""

from alembic import op

revision = "5a0ada7809b7"
down_revision = "be07d77c8995"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size CONSTANT integer := 5000;
                merged bigint := 0;
                kept integer;
                twin integer;
            BEGIN
                LOOP
                    SELECT min(id), max(id) INTO kept, twin FROM categories
                    GROUP BY parent_id, name HAVING count(*) > 1 ORDER BY 1 LIMIT 1;
                    EXIT WHEN NOT FOUND;
                    LOOP
                        UPDATE documents SET category_id = kept
                        WHERE category_id = twin
                            AND id IN (SELECT id FROM documents WHERE category_id = twin LIMIT batch_size);
                        EXIT WHEN NOT FOUND;
                        COMMIT;
                    END LOOP;
                    PERFORM FROM categories WHERE id = twin FOR UPDATE;
                    UPDATE documents SET category_id = kept WHERE category_id = twin;
                    UPDATE categories SET parent_id = kept WHERE parent_id = twin;
                    DELETE FROM categories WHERE id = twin;
                    COMMIT;
                    merged := merged + 1;
                    RAISE NOTICE 'merge_duplicate_categories: % categories merged', merged;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
