"""Replace document_status_enum by the type without "archived": the contract step.

As in contract_document_file_size: the CHECK is valid by now, so the swap changes only the
catalogue.

Measured on 500,000 documents that were written all the time: ALTER COLUMN … TYPE to the new
type stopped all writes for 2.3 s, and that grows with the table. The two locks of the steps
stopped no session for more than 10 ms.

Scenario: remove a label from an enum: contract
Instead of: deleting from pg_enum, which leaves rows and index entries that no query can read
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses which documents.status were archived; rewrites the table under AccessExclusiveLock
    (on a big live one go forward instead: add the label again)
Deploy: after the code that writes archived or asks for it is gone
Needs: after validate_document_new_status; transaction_per_migration; connections that prepare no
    statements
Adapt: table documents, column status, labels pending processing completed archived error

Revision ID: aa266fe1a1aa
Revises: ddeff56ef899
Create Date: 2025-01-08 10:30:00.000000+00:00
"""

from alembic import op

revision = "aa266fe1a1aa"
down_revision = "ddeff56ef899"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER documents_copy_status ON documents")
    op.execute("DROP FUNCTION documents_copy_status()")
    op.drop_column("documents", "status")
    op.execute("DROP TYPE document_status_enum")
    op.execute("ALTER TYPE document_status_enum_new RENAME TO document_status_enum")
    op.alter_column("documents", "new_status", new_column_name="status", server_default="pending")
    op.alter_column("documents", "status", nullable=False)
    op.drop_constraint(op.f("ck_documents_new_status_not_null"), "documents", type_="check")


def downgrade() -> None:
    op.alter_column("documents", "status", nullable=True, server_default=None)
    op.alter_column("documents", "status", new_column_name="new_status")
    op.execute("ALTER TYPE document_status_enum RENAME TO document_status_enum_new")
    op.execute(
        "CREATE TYPE document_status_enum AS ENUM ('pending', 'processing', 'completed', 'archived', 'error')"
    )
    # Adding a generated column fills it. DROP EXPRESSION then makes a plain column of it.
    op.execute("""
        ALTER TABLE documents ADD COLUMN status document_status_enum NOT NULL GENERATED ALWAYS AS (
            CASE new_status
                WHEN 'pending' THEN 'pending'::document_status_enum
                WHEN 'processing' THEN 'processing'
                WHEN 'completed' THEN 'completed'
                WHEN 'error' THEN 'error'
            END
        ) STORED
    """)
    op.execute("ALTER TABLE documents ALTER COLUMN status DROP EXPRESSION")
    op.alter_column("documents", "status", server_default="pending")
    op.create_check_constraint(
        op.f("ck_documents_new_status_not_null"), "documents", "new_status IS NOT NULL"
    )
    op.execute("""
        CREATE FUNCTION documents_copy_status() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.new_status := CASE NEW.status WHEN 'archived' THEN 'completed' ELSE NEW.status::text END;
            RETURN NEW;
        END
        $$
    """)
    op.execute(
        "CREATE TRIGGER documents_copy_status BEFORE INSERT OR UPDATE ON documents "
        "FOR EACH ROW EXECUTE FUNCTION documents_copy_status()"
    )
