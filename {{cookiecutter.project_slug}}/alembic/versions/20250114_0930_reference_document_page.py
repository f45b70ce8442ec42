"""Create page_notes, whose rows belong to a page by two columns: a composite foreign key.

A page is known by its document and its number. The key wants a unique constraint over both, in this
order or the other, and one that is not deferrable.

MATCH FULL says: both columns or neither. Without it, a row with one NULL is not checked at all, and a
note may name a document that does not exist. ON UPDATE CASCADE has a note follow its page to another
number, ON DELETE CASCADE has it go with the page. For both PostgreSQL looks up the notes of a page, and a
foreign key makes no index for that.

A table that is new has no row to check. To one that has rows the key comes as in
add_document_category_fk: NOT VALID, clean, VALIDATE.

Two things here are as older code has them, and the next revisions mend them: the key has the name that
PostgreSQL gives, and id is a serial, which is what sa.Integer() in a primary key is without sa.Identity().

Scenario: refer to a row by two columns
Instead of: a key of document_id alone, or without MATCH FULL: each accepts a note on a page that is not there
Locks: document_pages ShareRowExclusiveLock (for the foreign key; writes to document_pages wait
    until the commit)
Rollback: loses page_notes
Deploy: before the code that knows page_notes
Needs: uq_document_pages_document_id_page_number on document_pages
Adapt: new table page_notes, key integer, columns document_id page_number note, table document_pages, key uuid

Revision ID: bbf52a1d5a46
Revises: 22cc4c29fc58
Create Date: 2025-01-14 09:30:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "bbf52a1d5a46"
down_revision = "22cc4c29fc58"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "page_notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid()),
        sa.Column("page_number", sa.Integer()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_notes")),
        sa.ForeignKeyConstraint(
            ["document_id", "page_number"],
            ["document_pages.document_id", "document_pages.page_number"],
            name=op.f("page_notes_document_id_page_number_fkey"),
            match="FULL",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        op.f("idx_page_notes_document_id_page_number"), "page_notes", ["document_id", "page_number"]
    )


def downgrade() -> None:
    op.execute("LOCK TABLE document_pages, page_notes IN ACCESS EXCLUSIVE MODE")
    op.drop_table("page_notes")
