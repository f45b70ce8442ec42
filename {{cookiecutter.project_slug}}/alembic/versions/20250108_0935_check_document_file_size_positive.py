"""Add the CHECK that documents.file_size is above 0, NOT VALID: old rows may break it.

A NOT VALID constraint is not checked on old rows when it is added. But it is checked on every
row that is written: changing the title of a document of size 0 would now fail. And old code
still inserts 0 for "unknown". The trigger turns both into NULL, so nothing fails until
validate_document_file_size_positive drops it.

Scenario: add a CHECK that existing rows break
Instead of: op.create_check_constraint() alone, which scans all rows under the exclusive lock and fails on
    one
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after allow_unknown_file_size; old code may go on writing 0
Needs: after allow_unknown_file_size
Adapt: table documents, column file_size

Revision ID: b3679a7c963e
Revises: 274a9aebd602
Create Date: 2025-01-08 09:35:00.000000+00:00
"""

from alembic import op

revision = "b3679a7c963e"
down_revision = "274a9aebd602"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # First, because it takes the stronger lock: a lock raised later can deadlock with code.
    op.create_check_constraint(
        op.f("ck_documents_file_size_positive"), "documents", "file_size > 0", postgresql_not_valid=True
    )
    op.execute("""
        CREATE FUNCTION documents_unknown_file_size() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.file_size := NULL;
            RETURN NEW;
        END
        $$
    """)
    op.execute(
        "CREATE TRIGGER documents_unknown_file_size BEFORE INSERT OR UPDATE ON documents "
        "FOR EACH ROW WHEN (NEW.file_size <= 0) EXECUTE FUNCTION documents_unknown_file_size()"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_documents_file_size_positive"), "documents", type_="check")
    op.execute("DROP TRIGGER documents_unknown_file_size ON documents")
    op.execute("DROP FUNCTION documents_unknown_file_size()")
