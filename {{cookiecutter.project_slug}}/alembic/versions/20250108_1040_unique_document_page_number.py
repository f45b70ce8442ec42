"""Make (document_id, page_number) unique in document_pages.

The index is built while pages are written. Making it the constraint's index is a catalogue
change. A build that finds a duplicate fails and leaves an INVALID index, which the next run
drops. A valid one is kept. If a duplicate came in after renumber_document_pages, downgrade to
before that revision and upgrade again.

document_id is the first column, so this index also serves the foreign key and "all pages of a
document, in order".

Scenario: add a unique constraint over two columns of a big live table
Instead of: ADD CONSTRAINT … UNIQUE, which builds its index under the exclusive lock
Locks: document_pages AccessExclusiveLock; no rewrite, the scans under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that gives one number twice is gone
Needs: after renumber_document_pages
Adapt: table document_pages, columns document_id page_number

Revision ID: 0df07711614a
Revises: d909e28f4970
Create Date: 2025-01-08 10:40:00.000000+00:00
"""

from alembic import op

revision = "0df07711614a"
down_revision = "d909e28f4970"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE document_pages IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_document_pages_document_id_page_number') AND NOT indisvalid
                ) THEN
                    ALTER INDEX uq_document_pages_document_id_page_number RENAME TO uq_document_pages_document_id_page_number_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "uq_document_pages_document_id_page_number_invalid",
            table_name="document_pages",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "uq_document_pages_document_id_page_number",
            "document_pages",
            ["document_id", "page_number"],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'document_pages'::regclass AND conname = 'uq_document_pages_document_id_page_number'
                ) THEN
                    LOCK TABLE document_pages IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE document_pages ADD CONSTRAINT uq_document_pages_document_id_page_number
                        UNIQUE USING INDEX uq_document_pages_document_id_page_number;
                END IF;
            END
            $$
        """)


def downgrade() -> None:
    op.drop_constraint("uq_document_pages_document_id_page_number", "document_pages", type_="unique")
