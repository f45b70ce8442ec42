"""Drop idx_documents_status, which no query uses since index_documents_pending.

The server counts:
`SELECT relname, indexrelname, idx_scan, last_idx_scan FROM pg_stat_user_indexes`
(last_idx_scan from PostgreSQL 16). Zero means unused only if three things hold. The count
began before the last monthly report (stats_reset in pg_stat_database). It is zero on every
replica too. The index enforces nothing (not indisunique). An index is also superfluous if a
longer one begins with its columns, as in replace_documents_user_index. Queries may use such an
index, so no count shows it.

Scenario: drop an index that is not used
Instead of: DROP INDEX, which waits for all readers, and new readers wait behind it
Locks: documents ShareUpdateExclusiveLock; no scan
Rollback: lossless
Deploy: after the last code that looks up a rare status
Needs: idx_documents_status on documents; no query that uses it, on the replicas either
Adapt: table documents, column status

Revision ID: 08450f30feae
Revises: b4313cb5b409
Create Date: 2025-01-09 10:05:00.000000+00:00
"""

from alembic import op

revision = "08450f30feae"
down_revision = "b4313cb5b409"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_status", table_name="documents", if_exists=True, postgresql_concurrently=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_status') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_status RENAME TO idx_documents_status_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_status_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_status", "documents", ["status"], postgresql_concurrently=True, if_not_exists=True
        )
