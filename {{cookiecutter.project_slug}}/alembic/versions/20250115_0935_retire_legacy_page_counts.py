"""Close legacy_page_counts to writes, as the first of three steps that end with its DROP.

Code that still writes fails with 25006 and is found while nothing is lost: the way back is to drop
the trigger. It fires once a statement, and before TRUNCATE too. Reads go on.
REVOKE would do the same to roles that do not own the table, and not to the owner.

Wait until a whole round of reports, month's ends and cron jobs has passed. Then
rename_legacy_page_counts finds the code that reads it, and drop_legacy_page_counts ends it.

    deploy  the code does not write legacy_page_counts; code that reads it may still run
    retire  a trigger refuses writes (25006)
    deploy  the code does not read legacy_page_counts
    rename  the table has another name: a query with the old name fails (42P01)

Scenario: retire a table in steps, with a way back at each
Instead of: DROP TABLE as soon as it seems unused, which breaks code that was forgotten
Locks: legacy_page_counts ShareRowExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that writes it is gone; what was forgotten fails from now on (25006)
Needs: code that does not write the table
Adapt: table legacy_page_counts

Revision ID: e4cc97257a63
Revises: efbddd3d5667
Create Date: 2025-01-15 09:35:00.000000+00:00
"""

from alembic import op

revision = "e4cc97257a63"
down_revision = "efbddd3d5667"
branch_labels = None
depends_on = None


def upgrade() -> None:
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


def downgrade() -> None:
    op.execute("DROP TRIGGER legacy_page_counts_closed ON legacy_page_counts")
    op.execute("DROP FUNCTION legacy_page_counts_closed()")
