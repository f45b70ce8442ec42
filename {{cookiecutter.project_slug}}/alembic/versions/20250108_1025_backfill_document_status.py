"""Copy status to new_status in the rows that nobody has written since: the backfill step.

What is "archived" becomes "completed" in the new column only. The old one keeps it until
the contract step, and with it the way back.

Scenario: remove a label from an enum: backfill
Instead of: one UPDATE, which locks every row it has changed until the last one is done
Locks: documents RowExclusiveLock; one batch of rows at a time
Rollback: loses which documents.new_status were NULL; they stay until the column goes
Deploy: after expand_document_status

Revision ID: 9a46fcf04bfc
Revises: 9cb7e3766e97
Create Date: 2025-01-08 10:25:00.000000+00:00
"""

from alembic import op

revision = "9a46fcf04bfc"
down_revision = "9cb7e3766e97"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size CONSTANT integer := 5000;
                total CONSTANT bigint := (SELECT count(*) FROM documents);
                first_id uuid := (SELECT id FROM documents ORDER BY id LIMIT 1);
                next_id uuid;
                done bigint := 0;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    next_id := (
                        SELECT id FROM documents WHERE id >= first_id ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    UPDATE documents SET new_status = (
                        CASE status WHEN 'archived' THEN 'completed' ELSE status::text END
                    )::document_status_enum_new
                    WHERE id >= first_id AND (next_id IS NULL OR id < next_id) AND new_status IS NULL;
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'backfill_document_status: % of % documents', least(done, total), total;
                    first_id := next_id;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
