"""Index what is in documents.metadata, for `metadata @> '{"language": "de"}'`.

GIN keeps an entry for each item inside a value. With jsonb_path_ops that is a hash of each
leaf and the path to it. The index is smaller than with jsonb_ops, the default, and faster for
`@>`, `@?` and `@@`. It does not find out whether a key exists (`?`, `?|`, `?&`). For an empty
object it reads the whole index: `@> '{"scanner": {}}'` has no leaf.
`metadata ->> 'language' = 'de'` uses no GIN index of either kind: write it with `@>`.

Scenario: index a JSONB column
Instead of: jsonb_ops, the default, which also keeps every key, although queries use only `@>`
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time; before the code that searches by metadata
Needs: documents.metadata is jsonb
Adapt: table documents, column metadata

Revision ID: d659e26c2766
Revises: dfd5019acd03
Create Date: 2025-01-09 09:15:00.000000+00:00
"""

from alembic import op

revision = "d659e26c2766"
down_revision = "dfd5019acd03"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_documents_metadata') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_documents_metadata RENAME TO idx_documents_metadata_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_documents_metadata_invalid",
            table_name="documents",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_documents_metadata",
            "documents",
            ["metadata"],
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_documents_metadata", table_name="documents", if_exists=True, postgresql_concurrently=True
        )
