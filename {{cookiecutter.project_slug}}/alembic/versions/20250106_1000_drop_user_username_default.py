"""Drop the default of users.username: the contract step.

The default was there for code that does not know the column. If it stayed, it would hide a
mistake: an INSERT that forgets the username would get a random one instead of an error.

Scenario: take back a default that was there for old code
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that inserts users without a username is gone
Needs: after unique_user_username
Adapt: table users, column username

Revision ID: 5f12b0178a8d
Revises: 5b457dafcbef
Create Date: 2025-01-06 10:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "5f12b0178a8d"
down_revision = "5b457dafcbef"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("users", "username", server_default=None)


def downgrade() -> None:
    op.alter_column("users", "username", server_default=sa.text("'user-' || gen_random_uuid()"))
