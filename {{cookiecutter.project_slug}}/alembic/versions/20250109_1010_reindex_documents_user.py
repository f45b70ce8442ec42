"""Rebuild a bloated index while it is in use.

Updates and deletes leave pages of an index partly empty, and these are not given back. So an
index can grow to several times its size (pgstatindex() of the extension pgstattuple shows
avg_leaf_density). The new one is built under the name …_ccnew, the names are swapped, and the
old one is dropped as …_ccold. A rebuild that fails leaves one of these behind, INVALID, and
writes may still maintain it. So both are dropped first, and this can be run again.

Scenario: rebuild a bloated index of a big live table
Instead of: REINDEX, under which writes wait, and reads too: planning a query opens every index
Locks: documents ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time
Needs: idx_documents_user_id_created_at_id on documents; room for a second index
Adapt: table documents, columns user_id created_at

Revision ID: 27b222c6f5b0
Revises: 08450f30feae
Create Date: 2025-01-09 10:10:00.000000+00:00
"""

from alembic import op

revision = "27b222c6f5b0"
down_revision = "08450f30feae"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for leftover in ("ccnew", "ccold"):
            op.drop_index(
                f"idx_documents_user_id_created_at_id_{leftover}",
                table_name="documents",
                if_exists=True,
                postgresql_concurrently=True,
            )
        op.execute("REINDEX INDEX CONCURRENTLY idx_documents_user_id_created_at_id")


def downgrade() -> None:
    pass
