"""Make users.username unique: build the index concurrently, then attach it as the constraint.

ADD CONSTRAINT … USING INDEX takes over an existing index, so its exclusive lock is as short as
a catalogue change. If two users have the same name, the build fails, names the duplicate and
leaves an INVALID index. Rename one of the users and run the revision again: it drops that
index first. A valid index is kept, so another try for the exclusive lock needs no second
build.

Until now nothing prevented duplicates. Let users choose their names only after this.

Scenario: add a unique constraint to a column of a big live table
Instead of: ADD CONSTRAINT … UNIQUE, which builds the index while no session can read or write users
Locks: users AccessExclusiveLock; no scan under it, the build is under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: before the code that writes usernames
Needs: after require_user_username
Adapt: table users, column username

Revision ID: 5b457dafcbef
Revises: ef3a5687856c
Create Date: 2025-01-06 09:55:00.000000+00:00
"""

from alembic import op

revision = "5b457dafcbef"
down_revision = "ef3a5687856c"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_users_username') AND NOT indisvalid
                ) THEN
                    ALTER INDEX uq_users_username RENAME TO uq_users_username_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "uq_users_username_invalid", table_name="users", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "uq_users_username",
            "users",
            ["username"],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'users'::regclass AND conname = 'uq_users_username'
                ) THEN
                    LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE users ADD CONSTRAINT uq_users_username
                        UNIQUE USING INDEX uq_users_username;
                END IF;
            END
            $$
        """)


def downgrade() -> None:
    op.drop_constraint("uq_users_username", "users", type_="unique")
