"""Index audit_logs by user and time: the hotfix, on the branch "prod".

It starts where the feature starts. Until the merge, production gets it by
`alembic upgrade prod@head`, without waiting for the feature. user_id is the first column, so a
query reads the latest actions of one user in order, without a sort.

Scenario: ship a hotfix beside a feature branch
Instead of: putting the hotfix on top of a feature that is not ready
Locks: audit_logs ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time
Needs: nothing
Adapt: table audit_logs, columns user_id timestamp

Revision ID: da9040c27137
Revises: f756c40e7550
Create Date: 2025-01-12 09:05:00.000000+00:00
"""

from alembic import op

revision = "da9040c27137"
down_revision = "f756c40e7550"
branch_labels = ("prod",)
depends_on = None

NAME = "idx_audit_logs_user_id_timestamp"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute(f"""
            DO $$
            BEGIN
                LOCK TABLE audit_logs IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('{NAME}') AND NOT indisvalid
                ) THEN
                    ALTER INDEX {NAME} RENAME TO {NAME}_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            f"{NAME}_invalid", table_name="audit_logs", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            NAME, "audit_logs", ["user_id", "timestamp"], postgresql_concurrently=True, if_not_exists=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(NAME, table_name="audit_logs", if_exists=True, postgresql_concurrently=True)
