"""Drop what depends on review_shifts: a view, a function, and the history with its trigger.

Before a table is dropped, each object that depends on it is dropped by its name. PostgreSQL lists them:
without CASCADE, DROP TABLE fails and names them. So each has been looked at, and the downgrade makes each
again.

Scenario: drop the views, functions and triggers of a table before the table
Instead of: DROP TABLE … CASCADE, which takes along whatever it finds
Locks: archive.review_shifts AccessExclusiveLock, review_shift_changes AccessExclusiveLock; no
    rewrite, no scan
Rollback: loses review_shift_changes
Deploy: after the reports and the code that read them are gone
Needs: after move_review_shifts_to_archive; planned_review_shifts exists; review_shift_changes exists
Adapt: table review_shift_changes, key bigint, columns review_shift_id changed_at changed_by
    operation before after, table review_shifts, key uuid, columns user_id desk starts_at ends_at
    note, table users, column username, name archive

Revision ID: d02b9e65253d
Revises: ce4297aea902
Create Date: 2025-01-17 09:45:00.000000+00:00
"""

from alembic import op

revision = "d02b9e65253d"
down_revision = "ce4297aea902"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP VIEW planned_review_shifts")
    op.execute("DROP FUNCTION shift_minutes(timestamptz, timestamptz, interval)")
    op.execute("DROP TRIGGER review_shifts_track ON archive.review_shifts")
    op.execute("DROP FUNCTION review_shifts_track()")
    op.execute("DROP TABLE review_shift_changes")


def downgrade() -> None:
    op.execute("""
        CREATE TABLE review_shift_changes (
            id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_review_shift_changes PRIMARY KEY,
            review_shift_id uuid NOT NULL,
            changed_at timestamptz DEFAULT now() NOT NULL,
            changed_by text DEFAULT session_user NOT NULL,
            operation text NOT NULL,
            before jsonb,
            after jsonb
        )
    """)
    op.execute("""
        CREATE INDEX idx_review_shift_changes_review_shift_id ON review_shift_changes (review_shift_id, changed_at)
    """)
    op.execute("""
        CREATE FUNCTION review_shifts_track() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
        BEGIN
            IF OLD IS DISTINCT FROM NEW THEN
                INSERT INTO review_shift_changes (review_shift_id, operation, before, after)
                VALUES (coalesce(NEW.id, OLD.id), TG_OP, to_jsonb(OLD), to_jsonb(NEW));
            END IF;
            RETURN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER review_shifts_track AFTER INSERT OR UPDATE OR DELETE ON archive.review_shifts
        FOR EACH ROW EXECUTE FUNCTION review_shifts_track()
    """)
    op.execute("""
        CREATE FUNCTION shift_minutes(
            begins timestamptz, ends timestamptz, pause interval DEFAULT interval '0'
        ) RETURNS integer
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN ceil(extract(epoch FROM ends - begins - pause) / 60)
    """)
    op.execute("""
        CREATE VIEW planned_review_shifts WITH (security_invoker = true) AS
        SELECT review_shifts.id, username, desk, starts_at, ends_at, note
        FROM archive.review_shifts JOIN users ON users.id = user_id
    """)
    op.execute("COMMENT ON VIEW planned_review_shifts IS 'Who reviews at which desk, and when'")
