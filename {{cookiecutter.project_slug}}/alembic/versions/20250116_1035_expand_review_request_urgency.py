"""Create an enum, and review_requests.level of that type beside urgency: the expand step.

The trigger copies in both directions, so that each version of the code knows one column only. A text
becomes the label that it is but for blanks and capitals. Any other text is no label: level is NULL, the text
stays as it is, and old code gets no error. These have to end before the text is dropped. First the code
stops to write them. Then a CHECK refuses them, then the last of them get a label. This lists them:

    SELECT urgency, count(*) FROM review_requests WHERE urgency IS NOT NULL AND level IS NULL GROUP BY urgency

In the same way a text becomes a uuid, a date or a number, with another condition in the trigger and in the
backfill. For a uuid it is the one below; from PostgreSQL 16 on also pg_input_is_valid(urgency, 'uuid').

    WHEN urgency ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN urgency

    expand    level beside urgency, and the trigger; old code runs
    backfill  level has the label of each text that is one; old code runs
    deploy    the old code writes labels only; the new code uses level; both may run
    check     a text that is no label is refused; both may run
    fill      each text has a label; both may run
    validate  the CHECK is valid; both may run
    drop      no urgency and no trigger any more; only the new code runs

Scenario: turn a text column into an enum while old code runs
Instead of: ALTER COLUMN urgency TYPE … USING …, which fails at the first text that is no label
Locks: review_requests AccessExclusiveLock; no rewrite, no scan
Rollback: loses review_requests.level; urgency has what new code wrote
Deploy: while the code runs that knows urgency; then the one that knows level
Needs: review_requests.urgency is text
Adapt: table review_requests, column urgency, new column level, labels low normal high

Revision ID: 91344580f46b
Revises: df796e4b4d97
Create Date: 2025-01-16 10:35:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "91344580f46b"
down_revision = "df796e4b4d97"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TYPE review_request_level AS ENUM ('low', 'normal', 'high')")
    level = postgresql.ENUM(name="review_request_level", create_type=False)
    op.add_column("review_requests", sa.Column("level", level))
    # On INSERT, OLD is all NULL. If the value is unchanged, the statement did not write it.
    op.execute("""
        CREATE FUNCTION review_requests_sync_level() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.level IS DISTINCT FROM OLD.level THEN
                NEW.urgency := NEW.level;
            ELSE
                NEW.level := CASE
                    WHEN lower(btrim(NEW.urgency)) IN ('low', 'normal', 'high') THEN lower(btrim(NEW.urgency))
                END;
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER review_requests_sync_level BEFORE INSERT OR UPDATE OF urgency, level
        ON review_requests FOR EACH ROW EXECUTE FUNCTION review_requests_sync_level()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER review_requests_sync_level ON review_requests")
    op.execute("DROP FUNCTION review_requests_sync_level()")
    op.drop_column("review_requests", "level")
    op.execute("DROP TYPE review_request_level")
