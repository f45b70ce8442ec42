"""Let pages of a document swap their numbers: a deferrable unique constraint.

A unique constraint looks at each row as it is written, so two pages cannot swap numbers, not in one
UPDATE either. A deferrable one looks at the end of the statement, and after SET CONSTRAINTS …
DEFERRED at the end of the transaction. It stays INITIALLY IMMEDIATE: without SET CONSTRAINTS the
error comes from the statement that caused it.

The price: ON CONFLICT refuses a table with such a constraint, DO NOTHING without a target too;
no foreign key can refer to its columns; it is no replica identity.

ALTER CONSTRAINT changes foreign keys alone. So the old constraint gets another name, the new
one's index is built while pages are written, and one transaction swaps the two: pages are
never without the rule. What an earlier run has built is kept.

Scenario: swap unique values within one transaction
Instead of: DROP and ADD CONSTRAINT … UNIQUE DEFERRABLE, which builds its index under the exclusive lock
Locks: document_pages AccessExclusiveLock; no rewrite, the scans under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that has ON CONFLICT on document_pages is gone
Needs: uq_document_pages_document_id_page_number on document_pages; no foreign key that refers to its columns
Adapt: table document_pages, columns document_id page_number

Revision ID: da998b7520e8
Revises: 1a91dc166c15
Create Date: 2025-01-14 10:00:00.000000+00:00
"""

from alembic import op

revision = "da998b7520e8"
down_revision = "1a91dc166c15"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        replace("condeferrable = false", "DEFERRABLE INITIALLY IMMEDIATE")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        replace("condeferrable = true", "NOT DEFERRABLE")


def replace(is_old: str, timing: str) -> None:
    """Put a constraint with this timing in the place of the one of which `is_old` is true."""
    op.execute(f"""
        DO $$
        BEGIN
            LOCK TABLE document_pages IN SHARE UPDATE EXCLUSIVE MODE;  -- a build may still be running
            IF EXISTS (
                SELECT FROM pg_constraint
                WHERE conrelid = 'document_pages'::regclass AND conname = 'uq_document_pages_document_id_page_number'
                AND {is_old}
            ) THEN
                ALTER TABLE document_pages RENAME CONSTRAINT uq_document_pages_document_id_page_number
                    TO uq_document_pages_document_id_page_number_old;
            END IF;
            -- A failed build leaves an INVALID index, which makes room. A valid one is kept: it took long.
            IF EXISTS (
                SELECT FROM pg_index
                WHERE indexrelid = to_regclass('uq_document_pages_document_id_page_number') AND NOT indisvalid
            ) THEN
                ALTER INDEX uq_document_pages_document_id_page_number
                    RENAME TO uq_document_pages_document_id_page_number_invalid;
            END IF;
        END
        $$
    """)
    op.drop_index(
        "uq_document_pages_document_id_page_number_invalid",
        table_name="document_pages",
        if_exists=True,
        postgresql_concurrently=True,
    )
    op.create_index(
        "uq_document_pages_document_id_page_number",
        "document_pages",
        ["document_id", "page_number"],
        unique=True,
        postgresql_concurrently=True,
        if_not_exists=True,
    )
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM pg_constraint
                WHERE conrelid = 'document_pages'::regclass AND conname = 'uq_document_pages_document_id_page_number'
            ) THEN
                LOCK TABLE document_pages IN SHARE UPDATE EXCLUSIVE MODE;  -- autovacuum gives way
                ALTER TABLE document_pages ADD CONSTRAINT uq_document_pages_document_id_page_number
                    UNIQUE USING INDEX uq_document_pages_document_id_page_number {timing};
                ALTER TABLE document_pages DROP CONSTRAINT uq_document_pages_document_id_page_number_old;
            END IF;
        END
        $$
    """)
