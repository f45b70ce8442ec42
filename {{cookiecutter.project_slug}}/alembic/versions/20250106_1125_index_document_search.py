"""Index documents.search for `search @@ to_tsquery('simple', 'invoice')`.

GIN lists, for each word, the documents that have it. It finds words and beginnings of words
('inv:*'), but no ends or middles: LIKE '%voice%' needs a trigram index. The query must name
the column: to_tsvector('simple', title) @@ … is another expression and scans the table. Build
and drop are as in index_document_tags.

Scenario: full-text search, last step: a GIN index on a big live table
Instead of: LIKE '%invoice%', which reads every title
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: before the code that searches
Needs: after backfill_document_search
Adapt: table documents, column search

Revision ID: 39f2de0a137a
Revises: c80c4e1332e2
Create Date: 2025-01-06 11:25:00.000000+00:00
"""

from alembic import op

revision = "39f2de0a137a"
down_revision = "c80c4e1332e2"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_search') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_search RENAME TO idx_documents_search_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_search_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_search",
            "documents",
            ["search"],
            postgresql_using="gin",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_search", table_name="documents", if_exists=True, postgresql_concurrently=True
        )
