"""Let no new review_shifts come in without a desk: NOT NULL that is NOT VALID.

PostgreSQL 18 has it: old rows are not checked, each row that is written is.
Before 18 a CHECK does the same, and has the name that 18 gives to a NOT NULL: so the next steps are
the same for both, and so is the schema at the end. The server decides while the block runs, in psql
too; EXECUTE keeps an older server from parsing what it does not know.

The order matters: first refuse new NULLs, then fill the old ones, then validate. In another order a
NULL can come in between.

    deploy    the code writes a desk into every row
    require   a new row without a desk is refused (23502; before PostgreSQL 18 23514)
    fill      every row has a desk
    validate  desk is NOT NULL

Scenario: add a NOT NULL to a column of a big live table, on PostgreSQL 18 and before
Instead of: SET NOT NULL, which fails on the first row without a desk
Locks: review_shifts AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after any code that writes NULL into desk is gone
Needs: review_shifts.desk is nullable
Adapt: table review_shifts, column desk

Revision ID: 73b18fec3859
Revises: 6f0f097956fd
Create Date: 2025-01-16 09:05:00.000000+00:00
"""

from alembic import op

revision = "73b18fec3859"
down_revision = "6f0f097956fd"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE review_shifts IN SHARE UPDATE EXCLUSIVE MODE")  # autovacuum gives way
    op.execute("""
        DO $$
        BEGIN
            IF current_setting('server_version_num')::integer >= 180000 THEN
                EXECUTE 'ALTER TABLE review_shifts
                    ADD CONSTRAINT review_shifts_desk_not_null NOT NULL desk NOT VALID';
            ELSE
                ALTER TABLE review_shifts
                    ADD CONSTRAINT review_shifts_desk_not_null CHECK (desk IS NOT NULL) NOT VALID;
            END IF;
        END
        $$
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE review_shifts DROP CONSTRAINT review_shifts_desk_not_null")
