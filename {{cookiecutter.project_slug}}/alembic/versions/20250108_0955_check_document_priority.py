"""Hold documents.priority to 0 to 9.

Two statements, each committed by itself: NOT VALID asks for the exclusive lock and looks at
no row, VALIDATE reads them all and lets everybody read and write. In one transaction the
exclusive lock of the first would last through the reading of the second. What an earlier run
left is kept: a CHECK that is valid is not read again.

Scenario: add a CHECK to a big live table
Instead of: op.create_check_constraint() alone, which reads all rows under the exclusive lock
Locks: documents AccessExclusiveLock; no rewrite, the scan under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that writes a priority outside 0 to 9 is gone
Needs: after clamp_document_priorities
Adapt: table documents, column priority

Revision ID: 2f45575e6116
Revises: 8e451ee7df19
Create Date: 2025-01-08 09:55:00.000000+00:00
"""

from alembic import op

revision = "2f45575e6116"
down_revision = "8e451ee7df19"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'documents'::regclass AND conname = 'ck_documents_priority_range'
                ) THEN
                    LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE documents ADD CONSTRAINT ck_documents_priority_range
                        CHECK (priority BETWEEN 0 AND 9) NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_priority_range")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_documents_priority_range"), "documents", type_="check")
