"""Add documents.deleted_at: when a document was deleted, or NULL.

A document that is marked as deleted can be restored, and keeps its pages. Every query still
returns it unless the query excludes it. So all code that lists documents must use
`deleted_at IS NULL` before any code writes the column.

Scenario: delete rows so that they can be brought back (soft delete)
Instead of: an is_deleted flag, which does not say since when, and so not which rows are old enough to
    purge
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses documents.deleted_at: what was deleted is back
Deploy: before the code that hides deleted documents; that code comes before the code that marks them
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
