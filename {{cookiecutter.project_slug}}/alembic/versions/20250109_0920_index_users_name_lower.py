"""Index users by name without regard to case: `lower(last_name) = lower('Hopper')`.

An index on expressions holds their results. A query must use the same expression: a comparison
of last_name itself cannot use the index. The functions must be immutable, as lower() is.
PostgreSQL gathers statistics of an expression only if an index or CREATE STATISTICS has it, so
ANALYZE follows. Until then the planner assumes that `=` finds one row in 200.

Scenario: search without regard to case
Instead of: ILIKE or lower(last_name) without an index, which read every user
Locks: users ShareUpdateExclusiveLock; reads the table twice, and a sample of it
Rollback: lossless
Deploy: at any time; before the code that searches by name
Needs: nothing
Adapt: table users, columns last_name first_name

Revision ID: 840a103e19e5
Revises: d659e26c2766
Create Date: 2025-01-09 09:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "840a103e19e5"
down_revision = "d659e26c2766"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_users_name_lower') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_users_name_lower RENAME TO idx_users_name_lower_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_users_name_lower_invalid", table_name="users", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "idx_users_name_lower",
            "users",
            [sa.text("lower(last_name)"), sa.text("lower(first_name)")],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.execute("ANALYZE users")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_users_name_lower", table_name="users", if_exists=True, postgresql_concurrently=True
        )
