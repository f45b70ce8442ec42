"""Make page_notes.body NOT NULL, as page_notes.note is, before any code relies on it: the require step.

The new code finds rows by the new column and relies on its rules, so the new column must have all that the
old one has. Here that is only NOT NULL, made as in require_user_username. If the old column has more, make
it in this step too: an index as in index_documents_status, a unique constraint as in unique_user_email, a
CHECK as in check_document_priority, a foreign key as in add_document_category_fk.

While both columns have the foreign key, ON UPDATE and ON DELETE work: the key changes one column, and the
trigger changes the other. Grants on the old column alone, and views of it, need the new column too.

Scenario: rename a column with no downtime, third step: NOT NULL like the old one
Instead of: SET NOT NULL alone, which scans all page_notes while no session can read or write the table
Locks: page_notes AccessExclusiveLock; the scan under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: while the old code runs; before the code that uses page_notes.body
Needs: after backfill_renamed_note; page_notes.note is NOT NULL
Adapt: table page_notes, column body

Revision ID: 68b53fadb506
Revises: 905ad1c5e26a
Create Date: 2025-01-14 09:43:00.000000+00:00
"""

from alembic import op

revision = "68b53fadb506"
down_revision = "905ad1c5e26a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'page_notes'::regclass AND conname = 'ck_page_notes_body_not_null'
                ) THEN
                    LOCK TABLE page_notes IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE page_notes
                        ADD CONSTRAINT ck_page_notes_body_not_null CHECK (body IS NOT NULL) NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE page_notes VALIDATE CONSTRAINT ck_page_notes_body_not_null")
        op.alter_column("page_notes", "body", nullable=False)
        op.drop_constraint(op.f("ck_page_notes_body_not_null"), "page_notes", type_="check")


def downgrade() -> None:
    op.alter_column("page_notes", "body", nullable=True)
