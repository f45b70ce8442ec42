"""Drop the foreign key of page_notes, so that what it refers to can change.

The unique constraint of pages becomes deferrable next, and no foreign key can refer to a deferrable one.
ON DELETE and ON UPDATE CASCADE go with the key: from now on code must delete or move the notes itself.

A key has triggers on both tables, so dropping it locks both. They are locked first, the parent before
the child, as code does that reads a page and then its notes: in the other order the two would wait for
each other.

The way back first looks for a note on a page that is not there, and refuses before it changes
anything: a key that stays NOT VALID would still be in the way of code, and of later revisions. Then
it adds the key NOT VALID, and reads the notes once more, without stopping code.

Scenario: drop a foreign key
Instead of: DISABLE TRIGGER ALL, which leaves a key that every tool shows and nothing checks
Locks: page_notes AccessExclusiveLock, document_pages AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; refuses while a note is on a page that is not there
Deploy: after the code that relies on the key is gone
Needs: fk_page_notes_document_id_page_number on page_notes
Adapt: table page_notes, columns document_id page_number, table document_pages

Revision ID: f9db5987e16f
Revises: f1c7199e9d74
Create Date: 2025-01-14 09:45:00.000000+00:00
"""

from alembic import op

revision = "f9db5987e16f"
down_revision = "f1c7199e9d74"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE document_pages, page_notes IN ACCESS EXCLUSIVE MODE")
    op.drop_constraint(op.f("fk_page_notes_document_id_page_number"), "page_notes", type_="foreignkey")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF EXISTS (
                    SELECT FROM page_notes AS n
                    WHERE num_nonnulls(document_id, page_number) > 0 AND NOT EXISTS (
                        SELECT FROM document_pages AS p
                        WHERE p.document_id = n.document_id AND p.page_number = n.page_number
                    )
                ) THEN
                    RAISE EXCEPTION 'page_notes has notes on pages that are not there: delete or move them first';
                END IF;
            END
            $$
        """)
        op.execute("""
            DO $$
            BEGIN
                -- Autovacuum gives way to the first one, while no code waits yet. The second one waits for
                -- code, too, that has a row FOR UPDATE.
                LOCK TABLE document_pages, page_notes IN SHARE UPDATE EXCLUSIVE MODE;
                LOCK TABLE document_pages, page_notes IN EXCLUSIVE MODE;
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'page_notes'::regclass AND conname = 'fk_page_notes_document_id_page_number'
                ) THEN
                    ALTER TABLE page_notes ADD CONSTRAINT fk_page_notes_document_id_page_number
                        FOREIGN KEY (document_id, page_number)
                        REFERENCES document_pages (document_id, page_number)
                        MATCH FULL ON UPDATE CASCADE ON DELETE CASCADE NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE page_notes VALIDATE CONSTRAINT fk_page_notes_document_id_page_number")
