"""Merge categories that have the same name and the same parent.

The one with the lowest id stays. Documents move to it in batches that are committed one by
one. Each batch locks both categories and looks at them again: one may be deleted or renamed by
now. While the duplicate is locked, no document can be added to it, so ON DELETE SET NULL finds
none. Children that then have the same name are duplicates too, so the loop finds them next.

    deploy  the code makes no second category of one name
    merge   no duplicates; code that makes one is gone
    unique  the constraint; a duplicate is refused (23505)

Scenario: merge rows that others point to
Instead of: deleting the duplicates, after which ON DELETE SET NULL leaves their documents without a
    category
Locks: categories RowExclusiveLock, documents RowExclusiveLock; one batch of rows at a time
Rollback: loses categories that were twins, and which of them documents.category_id was
Deploy: after the code that makes a second category of one name is gone
Needs: documents.category_id refers to categories; key integer or bigint, because uuid has no min() up to
    PostgreSQL 18; no other table that refers to categories
Adapt: table categories, key integer, columns parent_id name, table documents, key uuid, column
    category_id

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
                batch_size CONSTANT integer := 1000;
                kept integer;
                twin integer;
                batch uuid[];
                done bigint := 0;
            BEGIN
                LOOP
                    SELECT min(id), max(id) INTO kept, twin FROM categories
                    GROUP BY parent_id, name HAVING count(*) > 1 ORDER BY 1 LIMIT 1;
                    EXIT WHEN NOT FOUND;
                    -- Lock, then look again: one may be deleted by now, or have another name.
                    PERFORM FROM categories WHERE id IN (kept, twin) OR parent_id = twin
                    ORDER BY id FOR UPDATE;
                    IF (
                        SELECT count(*) = 2 AND count(DISTINCT (parent_id, name)) = 1
                        FROM categories WHERE id IN (kept, twin)
                    ) THEN
                        batch := ARRAY(
                            SELECT id FROM documents WHERE category_id = twin
                            ORDER BY id LIMIT batch_size FOR NO KEY UPDATE
                        );
                        UPDATE documents SET category_id = kept WHERE id = ANY (batch);
                        IF batch = '{}' THEN
                            UPDATE categories SET parent_id = kept WHERE parent_id = twin;
                            DELETE FROM categories WHERE id = twin;
                            done := done + 1;
                            RAISE NOTICE 'merge_duplicate_categories: % categories merged', done;
                        END IF;
                    END IF;
                    COMMIT;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
