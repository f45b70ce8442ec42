"""Add priority to the view active_documents.

CREATE OR REPLACE VIEW keeps the view's privileges and what is built on it. It can only add
columns at the end. For another order, name or type, or one column less, use DROP VIEW and
CREATE VIEW, as the downgrade does, and give the GRANTs again. Options that are not repeated
are reset: without the WITH, security_invoker would be off.

Scenario: change a view
Instead of: DROP VIEW … CASCADE and CREATE VIEW, which loses privileges and dependent views
Locks: documents AccessShareLock; the view AccessExclusiveLock, for a moment; nothing is read
Rollback: lossless
Deploy: before the code that reads the new column
Needs: active_documents exists; PostgreSQL 15
Adapt: table documents, key uuid, columns user_id title status created_at priority deleted_at

Revision ID: daa14cfea465
Revises: 9f132f1842b7
Create Date: 2025-01-10 09:10:00.000000+00:00
"""

from alembic import op

revision = "daa14cfea465"
down_revision = "9f132f1842b7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE OR REPLACE VIEW active_documents WITH (security_invoker = true) AS
        SELECT id, user_id, title, status, created_at, priority FROM documents WHERE deleted_at IS NULL
    """)


def downgrade() -> None:
    op.execute("DROP VIEW active_documents")
    op.execute("""
        CREATE VIEW active_documents WITH (security_invoker = true) AS
        SELECT id, user_id, title, status, created_at FROM documents WHERE deleted_at IS NULL
    """)
