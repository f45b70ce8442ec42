"""Enable citext and btree_gist.

Scenario: compare names without regard to case, and put plain columns into an exclusion constraint
Rollback: lossless
Deploy: before the tables
"""

from alembic import op


def upgrade() -> None:
    op.execute("CREATE EXTENSION citext")
    op.execute("CREATE EXTENSION btree_gist")


def downgrade() -> None:
    op.execute("DROP EXTENSION btree_gist")
    op.execute("DROP EXTENSION citext")
