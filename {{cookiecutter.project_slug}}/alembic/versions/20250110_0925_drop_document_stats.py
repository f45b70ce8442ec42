"""Drop the materialized view document_stats, when no code reads it any more.

Stop the job that refreshes it first, or that job fails every hour. No data is lost: the
downgrade counts the rows anew, as of that moment.

Scenario: drop a materialized view
Locks: none on existing tables
Rollback: lossless
Deploy: after the last code that reads it, and the job that refreshes it, are gone
Needs: document_stats exists; code that does not name the view
Adapt: table documents, columns user_id file_size created_at deleted_at, names total_size latest

Revision ID: de0b582e1f22
Revises: b88a542d5c58
Create Date: 2025-01-10 09:25:00.000000+00:00
"""

from alembic import op

revision = "de0b582e1f22"
down_revision = "b88a542d5c58"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW document_stats")


def downgrade() -> None:
    op.execute("""
        CREATE MATERIALIZED VIEW document_stats AS
        SELECT user_id, count(*) AS documents, sum(file_size)::bigint AS total_size, max(created_at) AS latest
        FROM documents WHERE deleted_at IS NULL GROUP BY user_id
    """)
    op.create_index("uq_document_stats_user_id", "document_stats", ["user_id"], unique=True)
