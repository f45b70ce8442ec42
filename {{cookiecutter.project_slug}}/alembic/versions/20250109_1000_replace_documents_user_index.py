"""Replace both indexes on a user's documents by one that does the work of both.

With id as the last column the order is complete. Two documents of the same time no longer swap
places between two pages, and `(created_at, id) < (…, …)` goes on exactly where a page ended.
user_id is still the first column, so this index also finds all documents of a user, which the
foreign key needs when a user is deleted.

The new index is complete before an old one is dropped, so no query is ever without one. It
needs another name than they have, and no code names an index.

Scenario: replace an index of a big live table
Instead of: dropping the old one first, after which every query scans the table until the new one is built
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time
Needs: idx_documents_user_id on documents; idx_documents_user_id_created_at on documents
Adapt: table documents, key uuid, columns user_id created_at

Revision ID: b4313cb5b409
Revises: 269e2147fb56
Create Date: 2025-01-09 10:00:00.000000+00:00
"""

from alembic import op

revision = "b4313cb5b409"
down_revision = "269e2147fb56"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_user_id_created_at_id') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_user_id_created_at_id RENAME TO idx_documents_user_id_created_at_id_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_user_id_created_at_id_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_user_id_created_at_id",
            "documents",
            ["user_id", "created_at", "id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(
            "idx_documents_user_id_created_at",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.drop_index(
            "idx_documents_user_id", table_name="documents", if_exists=True, postgresql_concurrently=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_user_id') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_user_id RENAME TO idx_documents_user_id_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_user_id_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_user_id",
            "documents",
            ["user_id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_user_id_created_at') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_user_id_created_at RENAME TO idx_documents_user_id_created_at_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_user_id_created_at_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_user_id_created_at",
            "documents",
            ["user_id", "created_at"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(
            "idx_documents_user_id_created_at_id",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
