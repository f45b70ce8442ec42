"""Drop documents.legacy_status, which no code reads any more: the contract step.

DROP COLUMN only marks the column as dropped; a row loses the value when it is next written.
Indexes and constraints that use the column are dropped without a message, even if they use
other columns too. A view that uses it makes the revision fail. The values are lost, so save
them if in doubt: COPY (SELECT id, legacy_status FROM documents) TO STDOUT.

(If the column were NOT NULL, DROP NOT NULL would come one deploy earlier: an INSERT of new
code, which does not name the column, must not fail while the column is still there.)

Scenario: drop a column
Instead of: dropping it in one deploy with the code that stops using it; an ORM names all columns in every
    SELECT
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses documents.legacy_status
Deploy: after the code whose models have the column is gone
Needs: documents.legacy_status is nullable; no index on documents.legacy_status; no default on
    documents.legacy_status; code that does not name the column
Adapt: table documents, column legacy_status

Revision ID: 29c899d1337f
Revises: b7aab5a7317f
Create Date: 2025-01-06 10:35:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "29c899d1337f"
down_revision = "b7aab5a7317f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("documents", "legacy_status")


def downgrade() -> None:
    op.add_column("documents", sa.Column("legacy_status", sa.String(20)))
