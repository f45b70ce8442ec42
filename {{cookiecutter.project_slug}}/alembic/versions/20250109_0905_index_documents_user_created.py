"""Index documents by user and time of creation: one index for the search and the order.

The column that is compared with `=` comes first. The column that is sorted or compared with a
range comes after it. Then all documents of a user stand together in the index, sorted by time.
A query reads the newest twenty from its end and sorts nothing. In the other order of columns,
it would read the newest documents of all users until it has found twenty of this one. A B-tree
is read in both directions, so DESC needs no index of its own.

Scenario: index two columns, one to search by and one to sort by
Instead of: an index for each column: a query uses one of them, and sorts or filters the rest
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time; before the code that lists a user's newest documents
Needs: nothing
Adapt: table documents, columns user_id created_at

Revision ID: 193b6a298a4f
Revises: 1d1c14920316
Create Date: 2025-01-09 09:05:00.000000+00:00
"""

from alembic import op

revision = "193b6a298a4f"
down_revision = "1d1c14920316"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_user_id_created_at') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_user_id_created_at RENAME TO idx_documents_user_id_created_at_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_user_id_created_at_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_user_id_created_at",
            "documents",
            ["user_id", "created_at"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_user_id_created_at",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
