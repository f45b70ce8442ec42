"""Create the view active_documents: what has not been deleted.

A view reads its tables with the rights of its owner, and so past their row security, unless
it is told security_invoker (PostgreSQL 15). Its columns are settled when it is created:
`SELECT *` would not take up a later column, only hide which ones it has.

Autogenerate does not see views. It neither writes this revision nor finds that a view has
changed, and it writes a DROP COLUMN that the view will refuse.

Scenario: add a view
Instead of: a model on the view's name, for which autogenerate writes CREATE TABLE
Locks: documents AccessShareLock; nothing is read
Rollback: lossless
Deploy: before the code that reads it
Needs: PostgreSQL 15
Adapt: table documents, key uuid, columns user_id title status created_at deleted_at

Revision ID: 9f132f1842b7
Revises: fe51751ecf7d
Create Date: 2025-01-10 09:05:00.000000+00:00
"""

from alembic import op

revision = "9f132f1842b7"
down_revision = "fe51751ecf7d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE VIEW active_documents WITH (security_invoker = true) AS
        SELECT id, user_id, title, status, created_at FROM documents WHERE deleted_at IS NULL
    """)


def downgrade() -> None:
    op.execute("DROP VIEW active_documents")
