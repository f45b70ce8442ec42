"""Let names of review_topics have 60 characters rather than 100, and weights 2 decimals rather than 4.

ALTER COLUMN TYPE to a shorter varchar, or to a numeric of fewer digits, rewrites the table under the lock,
even if a valid CHECK says that every value fits. It also changes values silently: decimals are rounded,
and blanks at the end are cut. So the types stay, and a CHECK sets the limit. It can be NOT VALID,
validated while the code writes, and replaced by another one (raise_document_priority_limit). Models keep
the type and name the CHECK, or autogenerate proposes the rewrite. For fewer digits before the point:
`abs(weight) < 100`.

    deploy    the code writes shorter names and 2 decimals
    narrow    new values obey; another one is refused (23514); old ones are not checked
    shorten   every value fits
    validate  both CHECKs are valid

Scenario: make a varchar shorter, or a numeric smaller
Instead of: ALTER COLUMN TYPE varchar(60), which fails on the first longer name, and rewrites the table
Locks: review_topics AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that writes longer names or more decimals is gone (23514)
Needs: nothing
Adapt: table review_topics, columns name weight

Revision ID: 966501e0e8a1
Revises: a852bfacc5a4
Create Date: 2025-01-16 11:12:00.000000+00:00
"""

from alembic import op

revision = "966501e0e8a1"
down_revision = "a852bfacc5a4"
branch_labels = None
depends_on = None


def upgrade() -> None:
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


def downgrade() -> None:
    op.drop_constraint(op.f("ck_review_topics_weight_scale"), "review_topics", type_="check")
    op.drop_constraint(op.f("ck_review_topics_name_length"), "review_topics", type_="check")
