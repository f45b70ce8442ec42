"""Leave room on the pages of documents, and have vacuum and ANALYZE come sooner.

An UPDATE that changes no indexed column writes no index entry, if the new version of the row fits on
its page (a HOT update). Pages that are filled to the brim have no room: each UPDATE then writes into
all ten indexes. With fillfactor 85 an INSERT leaves 15 % of a page for that. Pages that are full stay
as they are until their rows move. How it goes: n_tup_hot_upd / n_tup_upd in pg_stat_user_tables.

By default vacuum waits until a fifth of a table is dead, ANALYZE for a tenth: at 50 million rows,
ten million. Here 2 % and 1 %, and 5 % of inserted rows (for index-only scans).

Long texts and jsonb are compressed by pglz. Where the server is built with lz4 (the embedded one is
not), `ALTER TABLE documents ALTER metadata SET COMPRESSION lz4` has new values written several times
faster, at much the same size; old values stay as they are.

Scenario: tune fillfactor and autovacuum of a table that is updated often
Instead of: VACUUM FULL, which rewrites the table while nobody can read it, and fills its pages again
Locks: documents ShareUpdateExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: at any time
Needs: nothing
Adapt: table documents

Revision ID: 9d106f845c3d
Revises: 2877e874a4a6
Create Date: 2025-01-15 09:20:00.000000+00:00
"""

from alembic import op

revision = "9d106f845c3d"
down_revision = "2877e874a4a6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE documents SET (
            fillfactor = 85,
            autovacuum_vacuum_scale_factor = 0.02,
            autovacuum_vacuum_insert_scale_factor = 0.05,
            autovacuum_analyze_scale_factor = 0.01
        )
    """)


def downgrade() -> None:
    op.execute("""
        ALTER TABLE documents RESET (
            fillfactor,
            autovacuum_vacuum_scale_factor,
            autovacuum_vacuum_insert_scale_factor,
            autovacuum_analyze_scale_factor
        )
    """)
