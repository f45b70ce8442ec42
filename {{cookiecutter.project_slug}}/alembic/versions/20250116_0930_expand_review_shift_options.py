"""Add review_shifts.settings, the jsonb that the text options holds: the expand step.

The trigger copies in both directions, so that each version of the code knows one column only. Old
code may write a text that is no JSON: it becomes a JSON string, and old code gets no error. jsonb
keeps no blanks, and of two equal keys the last; it refuses the character NUL, so a text with that
is a string too.

    expand    settings beside options, and the trigger; old code runs
    backfill  settings has a value in every row; old code runs
    deploy    the new code uses settings; the old code may still run
    drop      no options and no trigger any more; only the new code runs

Scenario: turn a text column into jsonb while old code runs
Instead of: ALTER COLUMN options TYPE jsonb USING options::jsonb, which fails at the first text that is none
Locks: review_shifts AccessExclusiveLock; no rewrite, no scan
Rollback: loses review_shifts.settings; options has what new code wrote
Deploy: while the code runs that knows options; then the one that knows settings
Needs: review_shifts.options is text
Adapt: table review_shifts, column options, new column settings

Revision ID: 58a11f0bbd05
Revises: dd9c56b3555f
Create Date: 2025-01-16 09:30:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "58a11f0bbd05"
down_revision = "dd9c56b3555f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("review_shifts", sa.Column("settings", postgresql.JSONB()))
    # On INSERT, OLD is all NULL. If the value is unchanged, the statement did not write it.
    op.execute("""
        CREATE FUNCTION review_shifts_sync_settings() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.settings IS DISTINCT FROM OLD.settings THEN
                NEW.options := CASE jsonb_typeof(NEW.settings)
                    WHEN 'string' THEN NEW.settings #>> '{}' ELSE NEW.settings::text
                END;
            ELSE
                BEGIN
                    NEW.settings := NEW.options::jsonb;
                EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
                    NEW.settings := to_jsonb(NEW.options);
                END;
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER review_shifts_sync_settings BEFORE INSERT OR UPDATE OF options, settings
        ON review_shifts FOR EACH ROW EXECUTE FUNCTION review_shifts_sync_settings()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER review_shifts_sync_settings ON review_shifts")
    op.execute("DROP FUNCTION review_shifts_sync_settings()")
    op.drop_column("review_shifts", "settings")
