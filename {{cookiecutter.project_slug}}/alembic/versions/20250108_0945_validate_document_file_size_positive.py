"""Validate the CHECK of documents.file_size, and drop the trigger that helped old code.

VALIDATE scans the table while reads and writes go on, and commits by itself. Then the trigger
is dropped under an exclusive lock. If that lock is not granted in time, run this again:
VALIDATE does not scan a second time.

Scenario: validate a CHECK that was added NOT VALID
Locks: documents AccessExclusiveLock; no rewrite, the scan under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that writes 0 for an unknown size is gone; from now on it fails (23514)
Needs: after clear_unknown_file_sizes
Adapt: table documents, column file_size

Revision ID: 596f435509ae
Revises: 5acb292806c0
Create Date: 2025-01-08 09:45:00.000000+00:00
"""

from alembic import op

revision = "596f435509ae"
down_revision = "5acb292806c0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_file_size_positive")
        op.execute("DROP TRIGGER IF EXISTS documents_unknown_file_size ON documents")
        op.execute("DROP FUNCTION IF EXISTS documents_unknown_file_size()")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_documents_file_size_positive"), "documents", type_="check")
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
