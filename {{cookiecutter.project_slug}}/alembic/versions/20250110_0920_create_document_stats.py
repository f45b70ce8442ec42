"""Create document_stats, a materialized view: what each user stores, counted once an hour.

It holds its rows like a table, as they were at the last REFRESH. A plain REFRESH blocks
readers. REFRESH MATERIALIZED VIEW CONCURRENTLY does not: it compares the new rows with the old
ones and changes only what differs. For that it needs a unique index on plain columns, without
WHERE, and rows to compare with. After WITH NO DATA the first REFRESH must be a plain one, and
until then every SELECT fails. So the view is filled here.

The REFRESH is not a revision: let cron or the application's scheduler run it.

Scenario: store the result of an expensive query
Instead of: WITH NO DATA, after which every SELECT fails until the first REFRESH
Locks: documents AccessShareLock; reads the table once
Rollback: lossless
Deploy: before the code that reads it; the job that refreshes it right after
Needs: nothing
Adapt: table documents, columns user_id file_size created_at deleted_at, names total_size latest

Revision ID: b88a542d5c58
Revises: 0cf062225c5f
Create Date: 2025-01-10 09:20:00.000000+00:00
"""

from alembic import op

revision = "b88a542d5c58"
down_revision = "0cf062225c5f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE MATERIALIZED VIEW document_stats AS
        SELECT user_id, count(*) AS documents, sum(file_size)::bigint AS total_size, max(created_at) AS latest
        FROM documents WHERE deleted_at IS NULL GROUP BY user_id
    """)
    # No session sees the view before the commit, so a plain CREATE INDEX blocks none.
    op.create_index("uq_document_stats_user_id", "document_stats", ["user_id"], unique=True)


def downgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW document_stats")
