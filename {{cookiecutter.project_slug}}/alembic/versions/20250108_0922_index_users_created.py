"""Index users.created_at again, now that it has its new type.

The build scans the table twice. Reads and writes go on.

Scenario: change the type of a column that has an index, last step: build the index again
Instead of: CREATE INDEX, under which every write waits until it is built
Locks: users ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time after use_timestamptz_for_users
Needs: after use_timestamptz_for_users
Adapt: table users, column created_at

Revision ID: e07c41d9a6f5
Revises: d68f509dcf7a
Create Date: 2025-01-08 09:22:00.000000+00:00
"""

from alembic import op

revision = "e07c41d9a6f5"
down_revision = "d68f509dcf7a"
branch_labels = None
depends_on = None


def upgrade() -> None:
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


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_users_created_at", table_name="users", if_exists=True, postgresql_concurrently=True
        )
