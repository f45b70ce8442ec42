"""Index only the documents that are pending.

A partial index holds only the rows of its WHERE. The queue is short, however many documents
are done. So the index stays small, fits in memory, and returns the oldest first without a
sort. A query uses it if its own WHERE implies that of the index, so write the status into the
SQL. In a generic plan the value of a bind parameter is not known, and the index is not used.

Scenario: index only the rows that are searched for
Instead of: an index on the whole column, most of which no query ever looks up
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time; before the code that takes documents from the queue
Needs: documents.status is document_status_enum; the label pending
Adapt: table documents, columns created_at status, label pending

Revision ID: dfd5019acd03
Revises: 193b6a298a4f
Create Date: 2025-01-09 09:10:00.000000+00:00
"""

from alembic import op

revision = "dfd5019acd03"
down_revision = "193b6a298a4f"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_pending') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_pending RENAME TO idx_documents_pending_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_pending_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_pending",
            "documents",
            ["created_at"],
            postgresql_where="status = 'pending'",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_pending", table_name="documents", if_exists=True, postgresql_concurrently=True
        )
