"""Add documents.priority, NOT NULL, with a constant default.

Since PostgreSQL 11 a constant default is stored in the catalogue, and old rows read it from
there. So this takes as long on a billion rows as on an empty table. Keep the default while old
code is running: its INSERTs do not name the column.

Scenario: add a NOT NULL column whose value is the same for every row
Instead of: a default that is computed for each row (random(), clock_timestamp()), which rewrites the table
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses documents.priority
Deploy: before the code that reads or writes priority
Needs: nothing
Adapt: table documents, new column priority

Revision ID: 13d1e1f02fe1
Revises: ef7c2db4637e
Create Date: 2025-01-06 09:25:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "13d1e1f02fe1"
down_revision = "ef7c2db4637e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("documents", "priority")
