"""Index documents.tags for `tags @> ARRAY['invoice']`, while documents are written.

CREATE INDEX CONCURRENTLY cannot run in a transaction, so it has a revision of its own. A build
that fails leaves an INVALID index. No query uses it, writes may still maintain it, and
`IF NOT EXISTS` would keep it. So the revision renames an INVALID index and drops it. It keeps
a valid one: if the client is lost, the server finishes its build, and that may be hours of
work. Renaming an index does not lock its table.

Scenario: index an array column of a big live table
Instead of: CREATE INDEX, under which every INSERT, UPDATE and DELETE waits until it is built
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time; before the code that searches by tag
Needs: after add_document_tags
Adapt: table documents, column tags

Revision ID: 0437dd8cd305
Revises: 1ff8cf3d5c33
Create Date: 2025-01-06 09:10:00.000000+00:00
"""

from alembic import op

revision = "0437dd8cd305"
down_revision = "1ff8cf3d5c33"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_tags') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_tags RENAME TO idx_documents_tags_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_tags_invalid", table_name="documents", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "idx_documents_tags",
            "documents",
            ["tags"],
            postgresql_using="gin",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_tags", table_name="documents", if_exists=True, postgresql_concurrently=True
        )
