"""Rename legacy_page_counts, so that code that still reads it fails before the rows are gone.

Code that reads it fails with 42P01. The downgrade takes an instant: the rows, the key and the privileges
are all there. Views do not fail: a view follows the table to its new name.

Scenario: find who still reads a table before it is dropped
Instead of: asking around, which finds no report that runs once a quarter
Locks: legacy_page_counts AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: weeks after retire_legacy_page_counts; what was forgotten fails from now on (42P01)
Needs: after retire_legacy_page_counts; code that does not name the table
Adapt: table legacy_page_counts, new table legacy_page_counts_retired

Revision ID: 14543da7f11f
Revises: e4cc97257a63
Create Date: 2025-01-15 09:40:00.000000+00:00
"""

from alembic import op

revision = "14543da7f11f"
down_revision = "e4cc97257a63"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table("legacy_page_counts", "legacy_page_counts_retired")


def downgrade() -> None:
    op.rename_table("legacy_page_counts_retired", "legacy_page_counts")
