"""Create review_topics: what a review looks at, and how much it counts.

The limits of both columns are in their types. That is easy to write, and hard to change:
narrow_review_topics shows what a smaller limit takes.

Scenario: create a table whose limits are in its types
Locks: none on existing tables
Rollback: loses review_topics
Deploy: before the code that uses it
Needs: nothing
Adapt: new table review_topics, key uuid, columns name weight

Revision ID: a852bfacc5a4
Revises: 609ccf1a3fe2
Create Date: 2025-01-16 11:10:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "a852bfacc5a4"
down_revision = "609ccf1a3fe2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "review_topics",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("weight", sa.Numeric(8, 4)),
        sa.PrimaryKeyConstraint("id", name="pk_review_topics"),
    )


def downgrade() -> None:
    op.drop_table("review_topics")
