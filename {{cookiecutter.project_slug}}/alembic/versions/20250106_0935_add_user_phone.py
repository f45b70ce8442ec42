"""Add users.phone.

Scenario: add a nullable column
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: loses users.phone
Deploy: before the code that reads or writes phone
Needs: nothing
Adapt: table users, new column phone

Revision ID: c50e2cb9db69
Revises: a63c9ff2eba1
Create Date: 2025-01-06 09:35:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "c50e2cb9db69"
down_revision = "a63c9ff2eba1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("phone", sa.String(20)))


def downgrade() -> None:
    op.drop_column("users", "phone")
