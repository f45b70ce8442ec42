"""Drop idx_document_pages_document_id: the index of a unique constraint does its work.

uq_document_pages_document_id_page_number begins with document_id. So it finds all pages of a
document, and serves the foreign key when a document is deleted. The shorter index costs every
INSERT an entry, and memory. No count of its use shows that: while both are there, the planner
may take either. Look in pg_index for an index whose columns another one begins with, with the
same operator classes and no WHERE.

Scenario: drop an index that another one makes redundant
Instead of: keeping it because pg_stat_user_indexes says that it is used
Locks: document_pages ShareUpdateExclusiveLock; no scan
Rollback: lossless
Deploy: at any time
Needs: idx_document_pages_document_id on document_pages; another index that begins with document_id
Adapt: table document_pages, column document_id

Revision ID: d51e7c496bc6
Revises: 9bf00ca5ad98
Create Date: 2025-01-13 09:20:00.000000+00:00
"""

from alembic import op

revision = "d51e7c496bc6"
down_revision = "9bf00ca5ad98"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_document_pages_document_id",
            table_name="document_pages",
            if_exists=True,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE document_pages IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_document_pages_document_id') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_document_pages_document_id RENAME TO idx_document_pages_document_id_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_document_pages_document_id_invalid",
            table_name="document_pages",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_document_pages_document_id",
            "document_pages",
            ["document_id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
