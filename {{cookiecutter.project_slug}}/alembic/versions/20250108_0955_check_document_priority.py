"""Add a CHECK that documents.priority is from 0 to 9.

Each of the two statements commits by itself. NOT VALID takes the exclusive lock and scans
nothing. VALIDATE scans the table while reads and writes go on. In one transaction the
exclusive lock of the first would be held through the scan. A CHECK of an earlier run is kept;
a valid one is not scanned again.

Scenario: add a CHECK to a big live table
Instead of: op.create_check_constraint() alone, which scans all rows under the exclusive lock
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
