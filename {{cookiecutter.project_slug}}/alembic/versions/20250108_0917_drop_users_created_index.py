"""Drop the index on users.created_at, whose type is about to change.

ALTER COLUMN … TYPE rebuilds every index on the column under its lock, even if the table is not
rewritten. Indexes on expressions of the column are rebuilt too, so none can be built
beforehand. So the index is dropped, and index_users_created builds it again while reads and
writes go on. In between, a query that needs it scans the table. If no query may do that, add a
second column, as expand_document_file_size does.

    drop    no index; code that accepts both types runs
    use     users.created_at is timestamptz
    index   the index, on the new type

Scenario: change the type of a column that has an index, first step: drop the index
Instead of: leaving the index there: ALTER COLUMN … TYPE rebuilds it while no session can read or write
    the table
Locks: users ShareUpdateExclusiveLock; no scan
Rollback: lossless
Deploy: at any time; until index_users_created, code that asks for the newest users waits longer
Needs: idx_users_created_at on users
Adapt: table users, column created_at

Revision ID: b3d06a1f52c8
Revises: c16c3b40d858
Create Date: 2025-01-08 09:17:00.000000+00:00
"""

from alembic import op

revision = "b3d06a1f52c8"
down_revision = "c16c3b40d858"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_users_created_at", table_name="users", if_exists=True, postgresql_concurrently=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_users_created_at') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_users_created_at RENAME TO idx_users_created_at_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_users_created_at_invalid",
            table_name="users",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_users_created_at", "users", ["created_at"], postgresql_concurrently=True, if_not_exists=True
        )
