"""Validate that every document has its new_file_size: the validate step.

VALIDATE scans the table while reads and writes go on. It is a revision of its own, because the
next one takes an exclusive lock. If that lock is not granted in time, its transaction is
rolled back and tried again; a VALIDATE in it would scan the table each time.

Scenario: change an integer column of a big live table to bigint: validate
Instead of: VALIDATE in the transaction of the swap, which scans the table again for each try that gets no
    lock
Locks: documents ShareUpdateExclusiveLock; scans documents
Rollback: lossless
Deploy: after backfill_document_file_size, at any time
Needs: after backfill_document_file_size
Adapt: table documents, column file_size

Revision ID: c109a9c22e88
Revises: aba3ac0c53e4
Create Date: 2025-01-08 09:07:00.000000+00:00
"""

from alembic import op

revision = "c109a9c22e88"
down_revision = "aba3ac0c53e4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_new_file_size_not_null")


def downgrade() -> None:
    # A constraint cannot become NOT VALID again, so drop it and add it anew, under one lock.
    op.drop_constraint(op.f("ck_documents_new_file_size_not_null"), "documents", type_="check")
    op.create_check_constraint(
        op.f("ck_documents_new_file_size_not_null"),
        "documents",
        "new_file_size IS NOT NULL",
        postgresql_not_valid=True,
    )
