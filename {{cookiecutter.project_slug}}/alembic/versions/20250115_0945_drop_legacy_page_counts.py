"""Drop legacy_page_counts_retired, which no code reads any more.

First run `pg_dump --table=legacy_page_counts_retired --file=…`, and keep the file as long as the rows
may be needed. Only that file brings the rows back; the downgrade makes an empty table.

Scenario: drop a table that was retired
Instead of: DROP TABLE … CASCADE, which takes along the views that still read it
Locks: legacy_page_counts_retired AccessExclusiveLock
Rollback: loses legacy_page_counts_retired
Deploy: weeks after rename_legacy_page_counts, and after a dump
Needs: legacy_page_counts_retired exists; nothing that refers to it
Adapt: table legacy_page_counts_retired, columns document_id pages, new table legacy_page_counts, table
    documents, key uuid

Revision ID: 134592d10738
Revises: 14543da7f11f
Create Date: 2025-01-15 09:45:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "134592d10738"
down_revision = "14543da7f11f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("legacy_page_counts_retired")
    op.execute("DROP FUNCTION legacy_page_counts_closed()")


def downgrade() -> None:
    op.create_table(
        "legacy_page_counts",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", name="pk_legacy_page_counts"),
    )
    op.execute("""
        CREATE FUNCTION legacy_page_counts_closed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'legacy_page_counts is closed to writes: it is going to be dropped'
                USING ERRCODE = 'read_only_sql_transaction';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER legacy_page_counts_closed
        BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON legacy_page_counts
        FOR EACH STATEMENT EXECUTE FUNCTION legacy_page_counts_closed()
    """)
    op.rename_table("legacy_page_counts", "legacy_page_counts_retired")
