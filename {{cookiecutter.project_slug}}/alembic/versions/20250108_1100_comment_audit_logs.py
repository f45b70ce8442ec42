"""Comment the table audit_logs and its columns.

A comment helps a person who opens the table in psql or another tool, without the Python. The
models have the same comments, and autogenerate compares them.

Scenario: comment a table and its columns
Locks: audit_logs ShareUpdateExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: at any time
Needs: nothing
Adapt: table audit_logs, columns action timestamp details

Revision ID: 5f84432ad7bc
Revises: 985743aa6b7f
Create Date: 2025-01-08 11:00:00.000000+00:00
"""

from alembic import op

revision = "5f84432ad7bc"
down_revision = "985743aa6b7f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table_comment("audit_logs", "What was done, by whom, and when. Rows are only ever added.")
    op.alter_column("audit_logs", "action", comment="Kind of thing and verb, such as document.create")
    op.alter_column("audit_logs", "timestamp", comment="When it was done, by the clock of the database")
    op.alter_column("audit_logs", "details", comment="What else is known; the keys depend on the action")


def downgrade() -> None:
    op.alter_column("audit_logs", "details", comment=None)
    op.alter_column("audit_logs", "timestamp", comment=None)
    op.alter_column("audit_logs", "action", comment=None)
    op.drop_table_comment("audit_logs")
