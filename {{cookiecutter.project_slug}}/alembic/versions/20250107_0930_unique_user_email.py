"""Make users.email unique, while users are written.

The index is built concurrently. Making it the constraint's index is a catalogue change. With
the CHECK on lower case, an address then has one user, however it is typed.

If old code has written duplicates since merge_duplicate_users, the build fails and names the
first of them. Run the statement of that revision again in psql, then this revision. It drops
the INVALID index of the failed build: `IF NOT EXISTS` would keep that index, but it does not
make emails unique. A valid one is kept.

Scenario: add a unique constraint to a big live table
Instead of: ADD UNIQUE, which builds the index while no session can read or write the table
Locks: users AccessExclusiveLock; for a catalogue change, the index is built under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after merge_duplicate_users; from now on code must expect that an address is taken (23505)
Needs: no duplicate
Adapt: table users, column email

Revision ID: 7e870b0d2459
Revises: d33168ce29e4
Create Date: 2025-01-07 09:30:00.000000+00:00
"""

from alembic import op

revision = "7e870b0d2459"
down_revision = "d33168ce29e4"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_users_email') AND NOT indisvalid
                ) THEN
                    ALTER INDEX uq_users_email RENAME TO uq_users_email_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "uq_users_email_invalid", table_name="users", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "uq_users_email",
            "users",
            ["email"],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'users'::regclass AND conname = 'uq_users_email'
                ) THEN
                    LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE users ADD CONSTRAINT uq_users_email
                        UNIQUE USING INDEX uq_users_email;
                END IF;
            END
            $$
        """)


def downgrade() -> None:
    op.drop_constraint("uq_users_email", "users", type_="unique")
