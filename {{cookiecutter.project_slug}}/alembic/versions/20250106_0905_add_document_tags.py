"""Add documents.tags, an array of words.

A document without tags has an empty array, so no code has to handle NULL. The constant default
is stored once, in the catalogue. Existing rows are not rewritten.

    add     tags, empty in every row; old code runs
    index   the index; old code runs
    deploy  the new code reads, writes and searches tags; the old code may still run

Scenario: add an array column
Instead of: a nullable column, whose NULLs every query must then handle
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses documents.tags
Deploy: before the code that reads or writes tags
Needs: nothing
Adapt: table documents, new column tags

Revision ID: 1ff8cf3d5c33
Revises: 500fa5097340
Create Date: 2025-01-06 09:05:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1ff8cf3d5c33"
down_revision = "500fa5097340"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "documents",
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("documents", "tags")
