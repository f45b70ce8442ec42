"""Drop document_pages.characters, which was there for the backfill before it.

Its values can be computed from text at any time. The way back adds the column without them.

Scenario: drop a column that can be computed again
Locks: document_pages AccessExclusiveLock; no rewrite, no scan
Rollback: loses document_pages.characters
Deploy: after the code that reads or writes it is gone
Needs: code that does not name the column
Adapt: table document_pages, column characters

Revision ID: 3f7953e7a270
Revises: 526d1ba1c091
Create Date: 2025-01-15 10:15:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "3f7953e7a270"
down_revision = "526d1ba1c091"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("document_pages", "characters")


def downgrade() -> None:
    op.add_column("document_pages", sa.Column("characters", sa.Integer()))
