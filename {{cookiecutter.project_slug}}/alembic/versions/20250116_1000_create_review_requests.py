"""Create review_requests, with a list of keywords in one column and a list of remarks in another.

An array is quickly made, and so is JSON. Both do as long as code reads and writes a list as a whole. Sooner
or later somebody asks which keywords there are, renames one of them, or looks for the remarks about
one page. And a text takes any value. The revisions after this one make tables and types of
these columns while code runs.

Scenario: create a table that keeps lists in its columns
Locks: none on existing tables
Rollback: loses review_requests
Deploy: before the code that knows the table
Needs: nothing
Adapt: new table review_requests, key uuid, columns title keywords remarks urgency

Revision ID: 7d57b3349ae3
Revises: 572149ea2977
Create Date: 2025-01-16 10:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d57b3349ae3"
down_revision = "572149ea2977"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "review_requests",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("keywords", postgresql.ARRAY(sa.Text())),
        sa.Column("remarks", postgresql.JSONB()),
        sa.Column("urgency", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_review_requests"),
    )


def downgrade() -> None:
    op.drop_table("review_requests")
