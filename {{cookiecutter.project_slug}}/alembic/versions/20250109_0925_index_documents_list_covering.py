"""Index the list of the newest documents so that the table itself is not read.

INCLUDE adds columns to the leaves of an index that it neither searches nor sorts by. An
index-only scan answers a query that needs no other column. deleted_at need not be in it,
because the WHERE of the index says the same as that of the query. The scan still reads table
pages that changed since the last VACUUM, because the visibility map does not mark them. The
price is a bigger index, and an UPDATE of title is no HOT update any more: it writes to every
index. So include few columns, short ones, which rarely change.

Scenario: answer a query from the index alone
Instead of: title as a column of the key, by which the index would also sort, and a UNIQUE would compare
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time; before the code that lists the newest documents
Needs: nothing
Adapt: table documents, columns created_at user_id title deleted_at

Revision ID: 73aaec983b32
Revises: 840a103e19e5
Create Date: 2025-01-09 09:25:00.000000+00:00
"""

from alembic import op

revision = "73aaec983b32"
down_revision = "840a103e19e5"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_list') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_list RENAME TO idx_documents_list_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_list_invalid", table_name="documents", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "idx_documents_list",
            "documents",
            ["created_at"],
            postgresql_include=["user_id", "title"],
            postgresql_where="deleted_at IS NULL",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_list", table_name="documents", if_exists=True, postgresql_concurrently=True
        )
