"""Drop review_shifts.starts_on, and the trigger that keeps it before PostgreSQL 18.

A virtual column goes like any other. The trigger names the column, so it goes first, in the same
transaction. The way back adds the column as add_review_shift_starts_on_generated does: before 18 the
old rows have NULL until the backfill has run again.

Scenario: drop a generated column
Locks: review_shifts AccessExclusiveLock; no rewrite, no scan
Rollback: loses review_shifts.starts_on of the old rows before PostgreSQL 18; from 18 on nothing
Deploy: after the code that reads starts_on is gone
Needs: after backfill_review_shift_starts_on; code that does not name starts_on
Adapt: table review_shifts, columns starts_at starts_on

Revision ID: 609ccf1a3fe2
Revises: ea7599d76b98
Create Date: 2025-01-16 11:04:00.000000+00:00
"""

from alembic import op

revision = "609ccf1a3fe2"
down_revision = "ea7599d76b98"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS review_shifts_starts_on_update ON review_shifts")
    op.execute("DROP FUNCTION IF EXISTS review_shifts_starts_on_update()")
    op.drop_column("review_shifts", "starts_on")


def downgrade() -> None:
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
