"""Create the view planned_review_shifts, with a comment, for the people who make reports.

A view is an interface: what reports read has a name and columns of its own, while the tables change
behind it. It holds their types, though, and PostgreSQL refuses to change a column that a view reads;
change_column_under_view shows the way. security_invoker as in create_active_documents_view.

Scenario: give reports a view in place of tables
Instead of: reports that read the tables, of which every change breaks one
Locks: review_shifts AccessShareLock, users AccessShareLock; nothing is read
Rollback: lossless
Deploy: before the reports that read it
Needs: PostgreSQL 15
Adapt: table review_shifts, columns user_id desk starts_at ends_at note, table users, column username

Revision ID: 05cfc1974790
Revises: b3c069126d9e
Create Date: 2025-01-17 09:10:00.000000+00:00
"""

from alembic import op

revision = "05cfc1974790"
down_revision = "b3c069126d9e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE VIEW planned_review_shifts WITH (security_invoker = true) AS
        SELECT review_shifts.id, username, desk, starts_at, ends_at, note
        FROM review_shifts JOIN users ON users.id = user_id
    """)
    op.execute("COMMENT ON VIEW planned_review_shifts IS 'Who reviews at which desk, and when'")


def downgrade() -> None:
    op.execute("DROP VIEW planned_review_shifts")
