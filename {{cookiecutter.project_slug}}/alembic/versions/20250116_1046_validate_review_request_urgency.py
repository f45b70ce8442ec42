"""Validate that each text in review_requests.urgency has its label: the proof for the next step.

The scan has a transaction of its own, and blocks neither reads nor writes.

Scenario: prove that no value is lost when a text column is dropped
Locks: review_requests ShareUpdateExclusiveLock; scans review_requests
Rollback: lossless
Deploy: after fill_review_request_levels, at any time
Needs: after fill_review_request_levels
Adapt: table review_requests, columns urgency level

Revision ID: 27ed08bf114e
Revises: 2673d464dc27
Create Date: 2025-01-16 10:46:00.000000+00:00
"""

from alembic import op

revision = "27ed08bf114e"
down_revision = "2673d464dc27"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE review_requests VALIDATE CONSTRAINT ck_review_requests_urgency_has_level")


def downgrade() -> None:
    # A constraint cannot become NOT VALID again, so drop it and add it anew, under one lock.
    op.drop_constraint(op.f("ck_review_requests_urgency_has_level"), "review_requests", type_="check")
    op.create_check_constraint(
        op.f("ck_review_requests_urgency_has_level"),
        "review_requests",
        "urgency IS NULL OR level IS NOT NULL",
        postgresql_not_valid=True,
    )
