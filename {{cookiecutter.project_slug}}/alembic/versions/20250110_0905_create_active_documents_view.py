"""Create the view active_documents: the documents that are not deleted.

A view reads its tables with the rights of its owner, and the caller's row security does not
apply, unless it has security_invoker (PostgreSQL 15). Its columns are fixed when it is
created. `SELECT *` would not add a later column; it would only hide which ones the view has.

Autogenerate does not see views. It does not write this revision, does not find a changed view,
and writes a DROP COLUMN that PostgreSQL refuses because of the view.

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
