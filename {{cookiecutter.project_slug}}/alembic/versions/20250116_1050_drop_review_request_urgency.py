"""Drop review_requests.urgency, whose place level has taken: the contract step.

The CHECK is of both columns, so it is dropped with one of them. The way back writes the labels as texts. It
is a generated column that comes with its values, and loses its expression at once; on a big table that
is a rewrite under the lock.

Scenario: drop the text that has become an enum
Instead of: DROP COLUMN alone, which fails because the trigger names the column
Locks: review_requests AccessExclusiveLock; no rewrite, no scan
Rollback: loses review_requests.urgency as it was typed: capitals and blanks; rewrites the table under
    AccessExclusiveLock
Deploy: after the code that knows urgency is gone
Needs: after validate_review_request_urgency; code that does not name urgency
Adapt: table review_requests, columns urgency level, labels low normal high

Revision ID: f88d0dbde75b
Revises: 27ed08bf114e
Create Date: 2025-01-16 10:50:00.000000+00:00
"""

from alembic import op

revision = "f88d0dbde75b"
down_revision = "27ed08bf114e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER review_requests_sync_level ON review_requests")
    op.execute("DROP FUNCTION review_requests_sync_level()")
    op.drop_column("review_requests", "urgency")


def downgrade() -> None:
    op.execute("""
        ALTER TABLE review_requests ADD COLUMN urgency text GENERATED ALWAYS AS (
            CASE level WHEN 'low' THEN 'low' WHEN 'normal' THEN 'normal' WHEN 'high' THEN 'high' END
        ) STORED
    """)
    op.execute("ALTER TABLE review_requests ALTER COLUMN urgency DROP EXPRESSION")
    op.create_check_constraint(
        op.f("ck_review_requests_urgency_has_level"),
        "review_requests",
        "urgency IS NULL OR level IS NOT NULL",
    )
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
