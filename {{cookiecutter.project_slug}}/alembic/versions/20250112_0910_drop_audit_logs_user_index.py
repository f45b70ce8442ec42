"""Drop the index on audit_logs.user_id, which the hotfix has made redundant.

An index on (user_id, timestamp) serves every query that one on user_id serves. This revision
is on the branch "dev" and needs a revision of the branch "prod", which is not its ancestor.
depends_on says so: `alembic upgrade dev@head` runs the hotfix first if it is missing. Without
the hotfix, deleting a user would scan all of audit_logs.

Scenario: need a revision of another branch
Instead of: hoping that the other branch is deployed first, or merging only for that
Locks: audit_logs ShareUpdateExclusiveLock; no scan
Rollback: lossless
Deploy: at any time
Needs: idx_audit_logs_user_id on audit_logs; another index that begins with user_id
Adapt: table audit_logs, column user_id

Revision ID: f38b01026799
Revises: 71eaeeeae894
Create Date: 2025-01-12 09:10:00.000000+00:00
"""

from alembic import op

revision = "f38b01026799"
down_revision = "71eaeeeae894"
branch_labels = None
depends_on = "da9040c27137"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_audit_logs_user_id", table_name="audit_logs", if_exists=True, postgresql_concurrently=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE audit_logs IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_audit_logs_user_id') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_audit_logs_user_id RENAME TO idx_audit_logs_user_id_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_audit_logs_user_id_invalid",
            table_name="audit_logs",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_audit_logs_user_id",
            "audit_logs",
            ["user_id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
