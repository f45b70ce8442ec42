"""Index documents.title for a part in its middle: `title ILIKE '%voice%'`.

A B-tree serves only the beginning of a text. This index lists the groups of three letters of
each title. It finds the titles that have all groups of the pattern, and checks these. It
serves LIKE, ILIKE, regular expressions and `%` (similar). A part of fewer than three letters,
with % on both sides, has no group, so the query reads everything. For whole words see
index_document_search.

Scenario: search for a part of a text
Instead of: LIKE '%…%' without an index or with a B-tree, both of which read every title
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time after enable_pg_trgm; before the code that searches in titles
Needs: after enable_pg_trgm
Adapt: table documents, column title

Revision ID: 292ed5613f03
Revises: 4ac510b78bdf
Create Date: 2025-01-09 09:45:00.000000+00:00
"""

from alembic import op

revision = "292ed5613f03"
down_revision = "4ac510b78bdf"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_title_trigram') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_title_trigram RENAME TO idx_documents_title_trigram_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_title_trigram_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_title_trigram",
            "documents",
            ["title"],
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops"},
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_title_trigram",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
