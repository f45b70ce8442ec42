"""Make (document_id, page_number) unique in document_pages.

The index is built while pages are written, and then made the constraint's, which takes a
moment. A build that meets a duplicate fails and leaves an INVALID index; whatever has the
name is dropped first, so that the revision can be run again. Where a duplicate came in
after renumber_document_pages, downgrade to before that one and upgrade again.

document_id comes first, so this index also serves the foreign key and "all pages of a
document, in order".

Scenario: add a unique constraint over two columns of a big live table
Instead of: ADD CONSTRAINT … UNIQUE, which builds its index under the exclusive lock
Locks: document_pages AccessExclusiveLock; no rewrite, the scans under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that gives one number twice is gone

Revision ID: 0df07711614a
Revises: d909e28f4970
Create Date: 2025-01-08 10:40:00.000000+00:00
"""

from alembic import op

revision = "0df07711614a"
down_revision = "d909e28f4970"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_constraint("uq_document_pages_document_id_page_number", "document_pages", if_exists=True)
        op.drop_index(
            "uq_document_pages_document_id_page_number",
            table_name="document_pages",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "uq_document_pages_document_id_page_number",
            "document_pages",
            ["document_id", "page_number"],
            unique=True,
            postgresql_concurrently=True,
        )
        op.execute(
            "ALTER TABLE document_pages ADD CONSTRAINT uq_document_pages_document_id_page_number "
            "UNIQUE USING INDEX uq_document_pages_document_id_page_number"
        )


def downgrade() -> None:
    op.drop_constraint("uq_document_pages_document_id_page_number", "document_pages", type_="unique")
