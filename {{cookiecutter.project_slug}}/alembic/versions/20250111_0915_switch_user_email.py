"""Swap the names of users.email and new_email, and of their rules: the switch.

Only names change, in one transaction, so no statement finds a column missing. The second code
still uses new_email, which is the old column now. The third code can use email, which is of
type text now. The trigger's function uses the columns by name, and keeps them equal as before.
The way back is the same swap.

An open session has compiled that function for the old types of the columns. Each of its writes
would fail until it connects again: "type of parameter does not match that when preparing the
plan". So the function is altered, which makes all sessions compile it again. (A statement that
a driver has prepared fails likewise; database.py lets it prepare none.) PostgreSQL 18 also
names NOT NULL, and renaming a column does not change that name.

Scenario: replace a column with no downtime, fourth step: swap the old and the new column
Instead of: dropping email and renaming new_email, which breaks the code that uses new_email
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the first code is gone; then deploy the third
Needs: after unique_user_new_email; uq_users_email on users; ck_users_email_lowercase on users;
    transaction_per_migration; connections that prepare no statements
Adapt: table users, column email, name swapped

Revision ID: e80c832f6da1
Revises: a193d5b4c1e4
Create Date: 2025-01-11 09:15:00.000000+00:00
"""

from alembic import op

revision = "e80c832f6da1"
down_revision = "a193d5b4c1e4"
branch_labels = None
depends_on = None

CONSTRAINTS = [
    ("uq_users_email", "uq_users_new_email"),
    ("ck_users_email_lowercase", "ck_users_new_email_lowercase"),
]


def swap() -> None:
    """Swap the names of the columns and of their constraints."""
    op.execute("ALTER TABLE users RENAME COLUMN email TO old_email")
    op.execute("ALTER TABLE users RENAME COLUMN new_email TO email")
    op.execute("ALTER TABLE users RENAME COLUMN old_email TO new_email")
    for one, other in CONSTRAINTS:
        op.execute(f"ALTER TABLE users RENAME CONSTRAINT {one} TO swapped")
        op.execute(f"ALTER TABLE users RENAME CONSTRAINT {other} TO {one}")
        op.execute(f"ALTER TABLE users RENAME CONSTRAINT swapped TO {other}")
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (
                SELECT FROM pg_constraint
                WHERE conrelid = 'users'::regclass AND conname = 'users_email_not_null'
            ) THEN
                ALTER TABLE users RENAME CONSTRAINT users_email_not_null TO swapped;
                ALTER TABLE users RENAME CONSTRAINT users_new_email_not_null TO users_email_not_null;
                ALTER TABLE users RENAME CONSTRAINT swapped TO users_new_email_not_null;
            END IF;
        END
        $$
    """)
    op.execute("ALTER FUNCTION users_sync_email() VOLATILE")  # no change, but sessions compile it again


def upgrade() -> None:
    swap()


def downgrade() -> None:
    swap()
