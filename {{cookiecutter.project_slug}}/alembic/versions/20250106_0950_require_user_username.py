"""Make users.username NOT NULL without a scan under an exclusive lock.

Each statement commits by itself. ADD CHECK … NOT VALID checks only new and changed rows, so it
is short. VALIDATE scans the table while reads and writes go on. SET NOT NULL sees the valid
CHECK and skips the scan; then the CHECK is dropped. If a lock is not granted in time, run this
again: the CHECK is kept, and a valid one is not scanned again. LOCK TABLE makes autovacuum
stop first: behind an ALTER that waits for autovacuum, reads and writes would wait too.

Old code can still insert users: its INSERT does not name the column, so the default applies.

Scenario: add a NOT NULL to a column of a big live table
Instead of: SET NOT NULL alone, which scans all users while no session can read or write the table
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
