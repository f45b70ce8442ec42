"""Keep the audit log of a deleted user: ON DELETE SET NULL in place of CASCADE.

A foreign key cannot change its ON DELETE. So a new one is added beside the old one, NOT VALID,
and validated. Then one transaction drops the old one and gives the new one its name. The table
always has a key. While it has both, the log of a deleted user may still be deleted: either key
may act first.

Dropping a key also locks the table that it refers to. Both are locked first, the parent before
the child: the order of code that reads a user and then the log. In the other order the two
could deadlock.

The downgrade refuses while there is a log of a deleted user. It would have to delete that log.

Scenario: change the ON DELETE of a live foreign key
Instead of: DROP and ADD FOREIGN KEY, which scans all of audit_logs while no session can read or write it
Locks: audit_logs AccessExclusiveLock, users AccessExclusiveLock; the scan under ShareUpdateExclusiveLock
Rollback: lossless; refuses while a log has outlived its user
Deploy: after the code that reads a log expects that user_id may be NULL
Needs: audit_logs.user_id refers to users; audit_logs.user_id is NOT NULL
Adapt: table audit_logs, column user_id, table users, key uuid

Revision ID: c6f74740f142
Revises: 999bbbe59a99
Create Date: 2025-01-07 09:50:00.000000+00:00
"""

from alembic import op

revision = "c6f74740f142"
down_revision = "999bbbe59a99"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.alter_column("audit_logs", "user_id", nullable=True)
        _replace_foreign_key("SET NULL")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF EXISTS (SELECT FROM audit_logs WHERE user_id IS NULL) THEN
                    RAISE EXCEPTION 'audit_logs has rows of users who were deleted, and user_id was NOT NULL'
                    USING HINT = 'Copy the rows where user_id IS NULL elsewhere, delete them, and try again.';
                END IF;
            END
            $$
        """)
        _replace_foreign_key("CASCADE")
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint WHERE conrelid = 'audit_logs'::regclass AND conname = 'ck_audit_logs_user_id_not_null'
                ) THEN
                    LOCK TABLE audit_logs IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE audit_logs ADD CONSTRAINT ck_audit_logs_user_id_not_null CHECK (user_id IS NOT NULL) NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE audit_logs VALIDATE CONSTRAINT ck_audit_logs_user_id_not_null")
        op.alter_column("audit_logs", "user_id", nullable=False)
        op.drop_constraint(op.f("ck_audit_logs_user_id_not_null"), "audit_logs", type_="check")


def _replace_foreign_key(on_delete: str) -> None:
    op.execute(f"""
        DO $$
        BEGIN
            -- The first lock makes autovacuum stop before any code has to wait. The second also waits
            -- for code that has locked a row FOR UPDATE.
            LOCK TABLE users, audit_logs IN SHARE UPDATE EXCLUSIVE MODE;
            LOCK TABLE users, audit_logs IN EXCLUSIVE MODE;
            IF NOT EXISTS (
                SELECT FROM pg_constraint
                WHERE conrelid = 'audit_logs'::regclass AND conname = 'fk_audit_logs_user_id_new'
            ) THEN
                ALTER TABLE audit_logs ADD CONSTRAINT fk_audit_logs_user_id_new
                    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE {on_delete} NOT VALID;
            END IF;
        END
        $$
    """)
    op.execute("ALTER TABLE audit_logs VALIDATE CONSTRAINT fk_audit_logs_user_id_new")
    op.execute("""
        DO $$
        BEGIN
            -- The first lock makes autovacuum stop before any code has to wait.
            LOCK TABLE users, audit_logs IN SHARE UPDATE EXCLUSIVE MODE;
            LOCK TABLE users, audit_logs IN ACCESS EXCLUSIVE MODE;
            ALTER TABLE audit_logs DROP CONSTRAINT fk_audit_logs_user_id;
            ALTER TABLE audit_logs RENAME CONSTRAINT fk_audit_logs_user_id_new TO fk_audit_logs_user_id;
        END
        $$
    """)
