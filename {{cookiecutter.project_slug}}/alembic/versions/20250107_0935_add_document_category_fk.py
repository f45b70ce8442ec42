"""Add the foreign key of documents.category_id, for rows written from now on.

This comes before the cleaning. NOT VALID ignores old orphans and refuses new ones at once, so
what is cleaned stays clean. Unlike a CHECK, a foreign key checks a row only when its column
changes, so other updates of the old orphans still work.

The index comes first: without it, deleting a category would scan all documents. The foreign
key locks both tables, the parent first: code that writes a category and then its documents may
have to wait, but cannot deadlock.

    deploy    the code writes no category_id that does not exist
    add       the index and the foreign key, NOT VALID: new orphans are refused (23503)
    clean     no orphan is left
    validate  the foreign key is valid

Scenario: add a foreign key to a column that holds orphans
Instead of: cleaning first: if code writes another orphan before ADD FOREIGN KEY, that fails
Locks: documents ExclusiveLock, categories ExclusiveLock; no scan for the key, the index is
    built under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that writes a category_id that does not exist is gone
Needs: ids of categories that are never used again
Adapt: table documents, column category_id, table categories, key integer

Revision ID: c1cc8ac64f70
Revises: 7e870b0d2459
Create Date: 2025-01-07 09:35:00.000000+00:00
"""

from alembic import op

revision = "c1cc8ac64f70"
down_revision = "7e870b0d2459"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_category_id') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_category_id RENAME TO idx_documents_category_id_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_category_id_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_category_id",
            "documents",
            ["category_id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.execute("""
            DO $$
            BEGIN
                -- The first lock makes autovacuum stop before any code has to wait. The second also waits
                -- for code that has locked a row FOR UPDATE.
                LOCK TABLE categories, documents IN SHARE UPDATE EXCLUSIVE MODE;
                LOCK TABLE categories, documents IN EXCLUSIVE MODE;
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'documents'::regclass AND conname = 'fk_documents_category_id'
                ) THEN
                    ALTER TABLE documents ADD CONSTRAINT fk_documents_category_id
                        FOREIGN KEY (category_id) REFERENCES categories (id) ON DELETE SET NULL NOT VALID;
                END IF;
            END
            $$
        """)


def downgrade() -> None:
    op.execute("LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE")
    op.drop_constraint("fk_documents_category_id", "documents", type_="foreignkey")
    op.drop_index("idx_documents_category_id", table_name="documents")
