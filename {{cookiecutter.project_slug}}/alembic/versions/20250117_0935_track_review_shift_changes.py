"""Keep what review_shifts were: each change leaves a row in review_shift_changes.

The trigger sees every writer, psql and backfills too, and its row is in the same transaction as the
change: neither is there without the other. Rows are jsonb, so a column that comes later is in it, and
one that goes stays in the old ones. It has no foreign key: it outlives what it tells of.

SECURITY DEFINER lets code that may not touch the table have rows written into it; the search_path is
fixed for that reason. An UPDATE that changes nothing leaves no row. It costs a second write for
each row: before a backfill of millions, a superuser can SET session_replication_role = replica.

Scenario: keep a history of a table's rows by a trigger
Instead of: code that writes the history itself, past which psql and the next backfill go
Locks: review_shifts ShareRowExclusiveLock; no rewrite, no scan
Rollback: loses review_shift_changes
Deploy: at any time
Needs: nothing
Adapt: table review_shifts, key uuid, new table review_shift_changes, key bigint, columns review_shift_id
    changed_at changed_by operation before after

Revision ID: 555bf3b724ac
Revises: 4b4fd06f5725
Create Date: 2025-01-17 09:35:00.000000+00:00
"""

from alembic import op

revision = "555bf3b724ac"
down_revision = "4b4fd06f5725"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
        CREATE TRIGGER review_shifts_track AFTER INSERT OR UPDATE OR DELETE ON review_shifts
        FOR EACH ROW EXECUTE FUNCTION review_shifts_track()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER review_shifts_track ON review_shifts")
    op.execute("DROP FUNCTION review_shifts_track()")
    op.execute("DROP TABLE review_shift_changes")
