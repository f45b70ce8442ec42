"""Require users.username: NOT NULL, without reading the table under a long lock.

A CHECK that is NOT VALID holds for every row written from then on and looks at no other;
VALIDATE reads the rest while reads and writes go on; and once a valid CHECK says that the
column has no NULL, SET NOT NULL takes its word and reads nothing. Then the CHECK has done
its work. Each statement commits by itself. A CHECK that an earlier run left is kept: if it is
valid, VALIDATE reads nothing, so a lock that SET NOT NULL does not get costs no second scan.

Old code can still insert users: it does not name the column, and the default answers.

Scenario: add a NOT NULL to a column of a big live table
Instead of: SET NOT NULL alone, which reads all users while nobody can read or write them
Locks: users AccessExclusiveLock; the scan under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the backfill, and after any code that writes NULL into username is gone
Needs: after backfill_user_username
Adapt: table users, column username

Revision ID: ef3a5687856c
Revises: 6a55a98a3f87
Create Date: 2025-01-06 09:50:00.000000+00:00
"""

from alembic import op

revision = "ef3a5687856c"
down_revision = "6a55a98a3f87"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint WHERE conrelid = 'users'::regclass AND conname = 'ck_users_username_not_null'
                ) THEN
                    LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE users ADD CONSTRAINT ck_users_username_not_null CHECK (username IS NOT NULL) NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_username_not_null")
        op.alter_column("users", "username", nullable=False)
        op.drop_constraint(op.f("ck_users_username_not_null"), "users", type_="check")


def downgrade() -> None:
    op.alter_column("users", "username", nullable=True)
