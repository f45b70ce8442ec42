"""Rebuild the index on names of review_topics: the operating system was upgraded, and sorts in another way.

An index on text is in the order of its collation, and glibc and ICU change that order between versions.
Then a search misses rows that are there, and a unique index accepts them again. PostgreSQL warns at each
connection: "database … has a collation version mismatch". The locales C and C.UTF-8 never change. A standby
on another system has the same fault for ever. Indexes on text, and whether one is really out of order (with
the extension amcheck):

    SELECT DISTINCT indexrelid::regclass FROM pg_index, unnest(indcollation) AS used
    WHERE used NOT IN (0, '"C"'::regcollation, '"POSIX"'::regcollation) AND indrelid >= 16384;
    SELECT bt_index_check('uq_review_topics_name_lower')

If a row is there twice meanwhile, the rebuild fails (23505): first resolve it, with enable_indexscan and
enable_indexonlyscan off. An exclusion constraint cannot be rebuilt concurrently: REINDEX TABLE CONCURRENTLY
leaves it out with a WARNING, and only REINDEX at a quiet hour helps. Partitions by ranges of text need
a look too. Leftovers of a failed run as in reindex_documents_user.

    reindex  the index is in the order of today
    refresh  the version of today is recorded; no warning any more

Scenario: rebuild indexes on text after an upgrade of the operating system (glibc, ICU)
Instead of: REFRESH VERSION alone, which ends the warning and leaves the index as it was
Locks: review_topics ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: as soon as the server runs on the new system
Needs: uq_review_topics_name_lower on review_topics; room for a second index
Adapt: table review_topics, column name

Revision ID: 8be9ff8b304d
Revises: e2dd539947d8
Create Date: 2025-01-16 11:30:00.000000+00:00
"""

from alembic import op

revision = "8be9ff8b304d"
down_revision = "e2dd539947d8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for leftover in ("ccnew", "ccold"):
            op.drop_index(
                f"uq_review_topics_name_lower_{leftover}",
                table_name="review_topics",
                if_exists=True,
                postgresql_concurrently=True,
            )
        op.execute("REINDEX INDEX CONCURRENTLY uq_review_topics_name_lower")


def downgrade() -> None:
    pass
