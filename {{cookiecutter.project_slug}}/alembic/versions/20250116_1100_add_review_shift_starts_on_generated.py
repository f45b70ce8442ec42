"""Add review_shifts.starts_on, the day of starts_at in UTC, which the server computes.

Adding a STORED generated column rewrites the table while no session can read or write it, and no
statement makes a plain column STORED without that. PostgreSQL 18 has VIRTUAL: the value is computed when
it is read, and only the catalogue changes. A virtual column can have no index; one on the same expression
serves it. Before 18 a trigger keeps a plain column. On 18 that is also the way for a value that must be
stored (add_document_search). The server decides while the block runs, in psql too.

`starts_at::date` would be another day in another time zone: it is not immutable, and is refused.

    add       starts_on; before PostgreSQL 18 it is NULL in old rows; old code runs
    backfill  every row has its day; old code runs
    deploy    the new code reads starts_on; the old code may still run

Scenario: add a generated column to a big live table
Instead of: ADD COLUMN … GENERATED ALWAYS AS (…) STORED, which rewrites the table
Locks: review_shifts AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; starts_on is computed from starts_at
Deploy: before the code that reads starts_on; no code may write it (428C9; before PostgreSQL 18 the trigger
    overwrites it)
Needs: review_shifts.starts_at is timestamp with time zone
Adapt: table review_shifts, column starts_at, new column starts_on

Revision ID: 86894a08023f
Revises: dc46ad48ea93
Create Date: 2025-01-16 11:00:00.000000+00:00
"""

from alembic import op

revision = "86894a08023f"
down_revision = "dc46ad48ea93"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF current_setting('server_version_num')::integer >= 180000 THEN
                EXECUTE $_$ALTER TABLE review_shifts ADD COLUMN starts_on date
                    GENERATED ALWAYS AS ((starts_at AT TIME ZONE 'UTC')::date) VIRTUAL$_$;
            ELSE
                ALTER TABLE review_shifts ADD COLUMN starts_on date;
                CREATE FUNCTION review_shifts_starts_on_update() RETURNS trigger LANGUAGE plpgsql AS $_$
                BEGIN
                    NEW.starts_on := (NEW.starts_at AT TIME ZONE 'UTC')::date;
                    RETURN NEW;
                END
                $_$;
                CREATE TRIGGER review_shifts_starts_on_update
                BEFORE INSERT OR UPDATE OF starts_at, starts_on ON review_shifts
                FOR EACH ROW EXECUTE FUNCTION review_shifts_starts_on_update();
            END IF;
        END
        $$
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS review_shifts_starts_on_update ON review_shifts")
    op.execute("DROP FUNCTION IF EXISTS review_shifts_starts_on_update()")
    op.drop_column("review_shifts", "starts_on")
