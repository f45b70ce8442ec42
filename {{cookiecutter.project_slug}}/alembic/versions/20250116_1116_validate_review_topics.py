"""Validate the limits of review_topics: every name and every weight keeps to them.

One ALTER TABLE with two VALIDATEs reads the table once, while reads and writes go on. The types stay
varchar(100) and numeric(8, 4). Even varchar(100) to text, otherwise a change of the catalogue, would read
the table again now: a valid CHECK on a column is checked anew when the type of the column changes.

Scenario: validate several CHECKs in one scan
Instead of: ALTER COLUMN TYPE varchar(60) after all, which rewrites the table in spite of the CHECK
Locks: review_topics ShareUpdateExclusiveLock; reads the table
Rollback: lossless
Deploy: after shorten_review_topics, at any time
Needs: after shorten_review_topics
Adapt: table review_topics, columns name weight

Revision ID: 553e8ebd81c4
Revises: 6207d486391a
Create Date: 2025-01-16 11:16:00.000000+00:00
"""

from alembic import op

revision = "553e8ebd81c4"
down_revision = "6207d486391a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE review_topics
        VALIDATE CONSTRAINT ck_review_topics_name_length, VALIDATE CONSTRAINT ck_review_topics_weight_scale
    """)


def downgrade() -> None:
    # There is no "unvalidate".
    op.drop_constraint(op.f("ck_review_topics_weight_scale"), "review_topics", type_="check")
    op.drop_constraint(op.f("ck_review_topics_name_length"), "review_topics", type_="check")
    op.create_check_constraint(
        op.f("ck_review_topics_name_length"),
        "review_topics",
        "char_length(name) <= 60",
        postgresql_not_valid=True,
    )
    op.create_check_constraint(
        op.f("ck_review_topics_weight_scale"),
        "review_topics",
        "weight = trunc(weight, 2)",
        postgresql_not_valid=True,
    )
