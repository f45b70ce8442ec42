"""Drop review_shifts.options, whose place settings has taken: the contract step.

The way back writes the texts as PostgreSQL prints jsonb. It is a generated column that comes with
its values, and loses its expression at once; on a big table that is a rewrite under the lock.

Scenario: drop the text that has become jsonb
Instead of: DROP COLUMN alone, which fails because the trigger names the column
Locks: review_shifts AccessExclusiveLock; no rewrite, no scan
Rollback: loses review_shifts.options as they were typed: blanks, the order of keys, keys that are there
    twice; rewrites the table under AccessExclusiveLock
Deploy: after the code that knows options is gone
Needs: after backfill_review_shift_settings; code that does not name options
Adapt: table review_shifts, columns options settings

Revision ID: 572149ea2977
Revises: ab33850957ab
Create Date: 2025-01-16 09:40:00.000000+00:00
"""

from alembic import op

revision = "572149ea2977"
down_revision = "ab33850957ab"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER review_shifts_sync_settings ON review_shifts")
    op.execute("DROP FUNCTION review_shifts_sync_settings()")
    op.drop_column("review_shifts", "options")


def downgrade() -> None:
    op.execute("""
        ALTER TABLE review_shifts ADD COLUMN options text GENERATED ALWAYS AS (
            CASE jsonb_typeof(settings) WHEN 'string' THEN settings #>> '{}' ELSE settings::text END
        ) STORED
    """)
    op.execute("ALTER TABLE review_shifts ALTER COLUMN options DROP EXPRESSION")
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
