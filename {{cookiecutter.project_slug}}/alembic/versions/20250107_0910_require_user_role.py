"""Make users.role_id NOT NULL and a foreign key: the contract step.

Each rule is added in two steps. NOT VALID checks only new and changed rows. VALIDATE scans the
table while reads and writes go on. SET NOT NULL sees the valid CHECK and skips the scan. Each
statement commits by itself: in one transaction the lock of the first would be held through the
scan of the second. A constraint of an earlier run is kept; a valid one is not scanned again.

The foreign key locks both tables, the parent first: the order of code that reads a role and
then its users.

role_id has no index: the foreign key needs one only when a role is deleted or its id changes,
and neither happens.

Scenario: add a NOT NULL and a foreign key to a big live table
Instead of: SET NOT NULL and ADD FOREIGN KEY, which scan all users while no session can read or write the
    table
Locks: users AccessExclusiveLock, roles ExclusiveLock; both scans under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that writes NULL into role_id is gone
Needs: after assign_user_roles
Adapt: table users, column role_id, table roles, key integer

Revision ID: 2e966ad8d632
Revises: 3b7954895765
Create Date: 2025-01-07 09:10:00.000000+00:00
"""

from alembic import op

revision = "2e966ad8d632"
down_revision = "3b7954895765"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint WHERE conrelid = 'users'::regclass AND conname = 'ck_users_role_id_not_null'
                ) THEN
                    LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE users ADD CONSTRAINT ck_users_role_id_not_null CHECK (role_id IS NOT NULL) NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_role_id_not_null")
        op.alter_column("users", "role_id", nullable=False)
        op.drop_constraint(op.f("ck_users_role_id_not_null"), "users", type_="check")

        op.execute("""
            DO $$
            BEGIN
                -- The first lock makes autovacuum stop before any code has to wait. The second also waits
                -- for code that has locked a row FOR UPDATE.
                LOCK TABLE roles, users IN SHARE UPDATE EXCLUSIVE MODE;
                LOCK TABLE roles, users IN EXCLUSIVE MODE;
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'users'::regclass AND conname = 'fk_users_role_id'
                ) THEN
                    ALTER TABLE users ADD CONSTRAINT fk_users_role_id
                        FOREIGN KEY (role_id) REFERENCES roles (id) NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT fk_users_role_id")


def downgrade() -> None:
    op.execute("LOCK TABLE roles, users IN ACCESS EXCLUSIVE MODE")
    op.drop_constraint("fk_users_role_id", "users", type_="foreignkey")
    op.alter_column("users", "role_id", nullable=True)
