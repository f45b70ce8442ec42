"""Add a CHECK that users.email is in lower case.

First mend the few rows that old code has written since normalize_user_emails: once the CHECK
is there, every UPDATE of such a user would fail. NOT VALID checks only new and changed rows.
Then VALIDATE scans the table while reads and writes go on. Each statement commits by itself:
in one transaction the exclusive lock of the CHECK would be held through the scan. A CHECK of
an earlier run is kept; a valid one is not scanned again.

Scenario: add a CHECK to a big live table
Instead of: ADD CHECK, which scans all users while no session can read or write the table, and fails on
    the first old row
Locks: users AccessExclusiveLock; scans under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that writes upper case is gone: from now on its INSERTs fail (23514)
Needs: after normalize_user_emails
Adapt: table users, key uuid, column email

Revision ID: d33168ce29e4
Revises: 65747645c3f8
Create Date: 2025-01-07 09:25:00.000000+00:00
"""

from alembic import op

revision = "d33168ce29e4"
down_revision = "65747645c3f8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            UPDATE users SET email = lower(email) WHERE id = ANY (ARRAY(
                SELECT id FROM users WHERE email <> lower(email) ORDER BY id FOR NO KEY UPDATE
            ))
        """)
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint WHERE conrelid = 'users'::regclass AND conname = 'ck_users_email_lowercase'
                ) THEN
                    LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE users ADD CONSTRAINT ck_users_email_lowercase CHECK (email = lower(email)) NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_email_lowercase")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_users_email_lowercase"), "users", type_="check")
