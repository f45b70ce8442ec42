"""Drop the view active_documents, when no code reads it any more.

While a view reads a column, PostgreSQL refuses to drop that column or to change its type. DROP
COLUMN … CASCADE drops the view without asking. To keep the view, drop it and create it again
around the change, in one transaction.

Scenario: drop a view, or change a column that a view reads
Instead of: DROP COLUMN … CASCADE, which also drops every view that reads the column
Locks: none on existing tables
Rollback: lossless
Deploy: after the last code that reads it
Needs: active_documents exists; PostgreSQL 15; code that does not name the view
Adapt: table documents, key uuid, columns user_id title status created_at priority deleted_at

Revision ID: 0cf062225c5f
Revises: daa14cfea465
Create Date: 2025-01-10 09:15:00.000000+00:00
"""

from alembic import op

revision = "0cf062225c5f"
down_revision = "daa14cfea465"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP VIEW active_documents")


def downgrade() -> None:
    op.execute("""
        CREATE VIEW active_documents WITH (security_invoker = true) AS
        SELECT id, user_id, title, status, created_at, priority FROM documents WHERE deleted_at IS NULL
    """)
