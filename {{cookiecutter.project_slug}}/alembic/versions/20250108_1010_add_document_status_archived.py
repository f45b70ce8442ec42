"""Add the label "archived" to document_status_enum.

A label is a row in the catalogue: no table is locked, however big it is. The position of a
label is its place in comparisons and in ORDER BY. A label can be used only after the commit,
so the first "archived" must be written by another revision.

PostgreSQL cannot remove a label. The downgrade makes a type without it and changes the column
to that type, which rewrites the table. On a big live table go forward instead, as
remove_document_status_archived does.

Scenario: add a label to an enum
Instead of: a new type and ALTER COLUMN … TYPE, which rewrites the table
Locks: none on existing tables
Rollback: lossless; refuses while a row is archived; rewrites the table under AccessExclusiveLock
Deploy: before the code that writes archived, after the code that can read it
Needs: documents.status is document_status_enum; transaction_per_migration; the labels pending,
    processing, completed and failed, and the default pending
Adapt: table documents, column status, labels archived completed pending processing failed

Revision ID: bfe98fa14bba
Revises: 145f7e35f46c
Create Date: 2025-01-08 10:10:00.000000+00:00
"""

from alembic import op

revision = "bfe98fa14bba"
down_revision = "145f7e35f46c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE document_status_enum ADD VALUE IF NOT EXISTS 'archived' AFTER 'completed'")


def downgrade() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM documents WHERE status = 'archived') THEN
                RAISE EXCEPTION 'documents.status holds archived: give those rows another status first';
            END IF;
        END
        $$
    """)
    op.execute("ALTER TYPE document_status_enum RENAME TO document_status_enum_old")
    op.execute("CREATE TYPE document_status_enum AS ENUM ('pending', 'processing', 'completed', 'failed')")
    op.execute("""
        ALTER TABLE documents
            ALTER COLUMN status DROP DEFAULT,
            ALTER COLUMN status TYPE document_status_enum USING status::text::document_status_enum,
            ALTER COLUMN status SET DEFAULT 'pending'
    """)
    op.execute("DROP TYPE document_status_enum_old")
