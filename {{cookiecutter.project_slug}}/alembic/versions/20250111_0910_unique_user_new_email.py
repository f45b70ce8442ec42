"""Give users.new_email every rule that email has, before any code relies on it.

The second code finds users by new_email, so the index must exist before that code. And the
switch can only swap two columns that have the same rules. Each rule is made without stopping
writes. The index is built concurrently and then becomes the constraint's. The checks are NOT
VALID first and then validated. SET NOT NULL sees the valid CHECK and skips the scan. What an
earlier run has finished is kept. If email has another index, build its like on new_email here:
an index stays with its column, and is dropped with it.

Scenario: replace a column with no downtime, third step: unique, checked and NOT NULL like the old one
Instead of: CREATE INDEX, under which writes wait, and SET NOT NULL, under which reads wait too
Locks: users AccessExclusiveLock; the scans under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: while the first code runs; then deploy the second
Needs: after backfill_user_email
Adapt: table users, column email

Revision ID: a193d5b4c1e4
Revises: f3d4dfcebecf
Create Date: 2025-01-11 09:10:00.000000+00:00
"""

from alembic import op

revision = "a193d5b4c1e4"
down_revision = "f3d4dfcebecf"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_users_new_email') AND NOT indisvalid
                ) THEN
                    ALTER INDEX uq_users_new_email RENAME TO uq_users_new_email_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "uq_users_new_email_invalid", table_name="users", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "uq_users_new_email",
            "users",
            ["new_email"],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'users'::regclass AND conname = 'uq_users_new_email'
                ) THEN
                    LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE users ADD CONSTRAINT uq_users_new_email
                        UNIQUE USING INDEX uq_users_new_email;
                END IF;
            END
            $$
        """)

        for name, rule in [
            ("ck_users_new_email_lowercase", "new_email = lower(new_email)"),
            ("ck_users_new_email_not_null", "new_email IS NOT NULL"),
        ]:
            op.execute(f"""
                DO $$
                BEGIN
                    IF NOT EXISTS (
                        SELECT FROM pg_constraint WHERE conrelid = 'users'::regclass AND conname = '{name}'
                    ) THEN
                        LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                        ALTER TABLE users ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID;
                    END IF;
                END
                $$
            """)
            op.execute(f"ALTER TABLE users VALIDATE CONSTRAINT {name}")
        op.alter_column("users", "new_email", nullable=False)
        op.drop_constraint(op.f("ck_users_new_email_not_null"), "users", type_="check")


def downgrade() -> None:
    op.alter_column("users", "new_email", nullable=True)
    op.drop_constraint(op.f("ck_users_new_email_lowercase"), "users", type_="check")
    op.drop_constraint("uq_users_new_email", "users", type_="unique")
