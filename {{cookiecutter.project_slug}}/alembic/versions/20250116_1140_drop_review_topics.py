"""Drop review_topics, which was there for the revisions before this one.

The CHECKs and the index go with it. The way back brings the shape, not the rows.

Scenario: drop a table that has CHECKs and an index on an expression
Locks: review_topics AccessExclusiveLock
Rollback: loses review_topics
Deploy: after the code that uses it is gone
Needs: code that does not name the table; nothing that refers to it
Adapt: table review_topics, key uuid, columns name weight

Revision ID: 80ff50693c56
Revises: 4f85728fe81f
Create Date: 2025-01-16 11:40:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "80ff50693c56"
down_revision = "4f85728fe81f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("review_topics")


def downgrade() -> None:
    op.create_table(
        "review_topics",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("weight", sa.Numeric(8, 4)),
        sa.PrimaryKeyConstraint("id", name="pk_review_topics"),
        sa.CheckConstraint("char_length(name) <= 60", name=op.f("ck_review_topics_name_length")),
        sa.CheckConstraint("weight = trunc(weight, 2)", name=op.f("ck_review_topics_weight_scale")),
    )
    op.create_index("uq_review_topics_name_lower", "review_topics", [sa.text("lower(name)")], unique=True)
