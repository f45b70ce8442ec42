"""Add documents.new_status, of a type without "archived", beside status: the expand step.

PostgreSQL cannot remove a label, because rows may hold it. So there is a new type, and a
second column of that type. A trigger keeps it in step, with "completed" in place of
"archived". All code still reads and writes status. The CHECK makes sure that new rows have
both. It is NOT VALID, so old rows are not checked.

    expand    new_status beside status, a trigger and a CHECK that is NOT VALID; any code runs
    backfill  new_status has a value in every row; any code runs
    validate  the CHECK is valid; any code runs
    deploy    the new code neither writes "archived" nor asks for it; the old code must go
    remove    status has the new type; no trigger, no CHECK, no old type

Scenario: remove a label from an enum: expand
Instead of: ALTER COLUMN … TYPE … USING, which rewrites the table while no session can read or write it
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: at any time; no code changes
Needs: documents.status is document_status_enum; documents.status is NOT NULL; no index on
    documents.status; the labels pending, processing, completed, archived and error
Adapt: table documents, column status, labels pending processing completed error archived

Revision ID: 9cb7e3766e97
Revises: 547cdb477749
Create Date: 2025-01-08 10:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "9cb7e3766e97"
down_revision = "547cdb477749"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TYPE document_status_enum_new AS ENUM ('pending', 'processing', 'completed', 'error')")
    new_type = postgresql.ENUM(name="document_status_enum_new", create_type=False)
    op.add_column("documents", sa.Column("new_status", new_type))
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
    op.create_check_constraint(
        op.f("ck_documents_new_status_not_null"),
        "documents",
        "new_status IS NOT NULL",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER documents_copy_status ON documents")
    op.execute("DROP FUNCTION documents_copy_status()")
    op.drop_column("documents", "new_status")
    op.execute("DROP TYPE document_status_enum_new")
