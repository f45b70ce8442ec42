"""Drop page_notes, which was there for the revisions before this one.

Its sequence is part of a column and goes with it. The way back brings the shape, not the rows.

Scenario: drop a table that has an identity
Locks: page_notes AccessExclusiveLock
Rollback: loses page_notes
Deploy: after the code that uses it is gone
Needs: code that does not name the table; nothing that refers to it
Adapt: table page_notes, key integer, columns document_id page_number body, table document_pages, key uuid

Revision ID: 1a91dc166c15
Revises: f9db5987e16f
Create Date: 2025-01-14 09:50:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "1a91dc166c15"
down_revision = "f9db5987e16f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("page_notes")


def downgrade() -> None:
    op.create_table(
        "page_notes",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("document_id", sa.Uuid()),
        sa.Column("page_number", sa.Integer()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_notes")),
    )
    op.create_index(
        op.f("idx_page_notes_document_id_page_number"), "page_notes", ["document_id", "page_number"]
    )
