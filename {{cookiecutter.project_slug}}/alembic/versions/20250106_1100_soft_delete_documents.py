"""Add documents.deleted_at: NULL while a document is there, else when it was deleted.

A document that is marked can be brought back, and keeps its pages. It is also still there
for every query that does not say otherwise, so all code that lists documents has to learn
`deleted_at IS NULL` before any code writes the column.

Scenario: delete rows so that they can be brought back (soft delete)
Instead of: an is_deleted flag, which does not say since when, and so never what may go for good
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses documents.deleted_at: what was deleted is back
Deploy: before the code that hides deleted documents, and that before the code that marks them
Needs: code that lists documents and can learn the condition first
Adapt: table documents, new column deleted_at

Revision ID: 9f8c38a89680
Revises: c51cd31ba9ec
Create Date: 2025-01-06 11:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "9f8c38a89680"
down_revision = "c51cd31ba9ec"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("deleted_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("documents", "deleted_at")
