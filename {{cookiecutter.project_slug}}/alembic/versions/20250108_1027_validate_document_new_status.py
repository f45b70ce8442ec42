"""Validate that every document has its new_status: the validate step.

As in validate_document_new_file_size: the scan has a transaction of its own and blocks neither
reads nor writes. A try of the swap that gets no lock does not repeat the scan.

Scenario: remove a label from an enum: validate
Instead of: VALIDATE in the transaction of the swap, which scans the table again for each try that gets no
    lock
Locks: documents ShareUpdateExclusiveLock; scans documents
Rollback: lossless
Deploy: after backfill_document_status, at any time
Needs: after backfill_document_status
Adapt: table documents, column status

Revision ID: ddeff56ef899
Revises: 9a46fcf04bfc
Create Date: 2025-01-08 10:27:00.000000+00:00
"""

from alembic import op

revision = "ddeff56ef899"
down_revision = "9a46fcf04bfc"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_new_status_not_null")


def downgrade() -> None:
    # A constraint cannot become NOT VALID again, so drop it and add it anew, under one lock.
    op.drop_constraint(op.f("ck_documents_new_status_not_null"), "documents", type_="check")
    op.create_check_constraint(
        op.f("ck_documents_new_status_not_null"),
        "documents",
        "new_status IS NOT NULL",
        postgresql_not_valid=True,
    )
