"""Index documents.status for the few documents whose status is rare.

A B-tree serves `=`, `<` and ORDER BY, and the planner uses it for a value that few rows have.
Nearly all documents end as "completed": a query for those scans the table, with the index or
without. The index serves the other values, but is maintained for all of them. A partial index
is cheaper.

Scenario: index one column of a big live table
Instead of: CREATE INDEX, under which every write waits until it is built
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time; before the code that searches by status
Needs: nothing
Adapt: table documents, column status

Revision ID: 1d1c14920316
Revises: 5f84432ad7bc
Create Date: 2025-01-09 09:00:00.000000+00:00
"""

from alembic import op

revision = "1d1c14920316"
down_revision = "5f84432ad7bc"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_status') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_status RENAME TO idx_documents_status_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_status_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_status", "documents", ["status"], postgresql_concurrently=True, if_not_exists=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_status", table_name="documents", if_exists=True, postgresql_concurrently=True
        )
