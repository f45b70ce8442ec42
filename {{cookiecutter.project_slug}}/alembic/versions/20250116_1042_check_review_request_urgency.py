"""Let no text come into review_requests.urgency that is no label: a CHECK that is NOT VALID.

The rule is for rows that are written from now on. So until an old row has its label, an UPDATE of any
of its columns fails. Without the CHECK, such a text could come in between the next step and the last one.

Scenario: refuse values that another type cannot hold, before the type changes
Instead of: ADD CHECK alone, which fails on the first text that is no label
Locks: review_requests AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that writes other texts is gone (23514)
Needs: after backfill_review_request_levels
Adapt: table review_requests, columns urgency level

Revision ID: e476b8f4e102
Revises: 2a0bc16fdf9f
Create Date: 2025-01-16 10:42:00.000000+00:00
"""

from alembic import op

revision = "e476b8f4e102"
down_revision = "2a0bc16fdf9f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_review_requests_urgency_has_level"),
        "review_requests",
        "urgency IS NULL OR level IS NOT NULL",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_review_requests_urgency_has_level"), "review_requests", type_="check")
