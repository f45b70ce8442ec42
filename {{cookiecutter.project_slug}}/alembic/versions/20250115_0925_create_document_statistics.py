"""Tell the planner how user_id and category_id of documents go together.

It knows the values of each column and multiplies: of a user who has 1 % of the documents, a
category with 5 % has 5 % too. But most users file all they have under one category, so 1,000 rows
come where 50 are estimated, and a join is planned for 50. Extended statistics hold how far one
column decides the other (dependencies), how many pairs there are (ndistinct, for GROUP BY) and the
most frequent pairs (mcv). They are empty until ANALYZE, which reads a sample of the rows.

Scenario: correct an estimate of rows where two columns depend on each other (extended statistics)
Instead of: a larger statistics target, which tells more of each column and nothing of both
Locks: documents ShareUpdateExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: at any time
Needs: nothing
Adapt: table documents, columns user_id category_id

Revision ID: cb3c913ac724
Revises: 9d106f845c3d
Create Date: 2025-01-15 09:25:00.000000+00:00
"""

from alembic import op

revision = "cb3c913ac724"
down_revision = "9d106f845c3d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE STATISTICS stat_documents_user_id_category_id (dependencies, ndistinct, mcv)
        ON user_id, category_id FROM documents
    """)
    op.execute("ANALYZE documents (user_id, category_id)")


def downgrade() -> None:
    op.execute("DROP STATISTICS stat_documents_user_id_category_id")
