"""Give new documents the priority 5; existing documents keep theirs.

A default applies only to later INSERTs. Existing rows keep their value, even if the earlier
default gave it to them.

Scenario: change the default of a column
Instead of: dropping and adding the column, which gives every row the new value
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: at any time
Needs: documents.priority is integer
Adapt: table documents, column priority

Revision ID: a63c9ff2eba1
Revises: 13d1e1f02fe1
Create Date: 2025-01-06 09:30:00.000000+00:00
"""

from alembic import op

revision = "a63c9ff2eba1"
down_revision = "13d1e1f02fe1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("documents", "priority", server_default="5")


def downgrade() -> None:
    op.alter_column("documents", "priority", server_default="0")
