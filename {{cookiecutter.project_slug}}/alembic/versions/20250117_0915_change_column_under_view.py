"""Let review_shifts.note hold 500 characters, under the view that reads it.

PostgreSQL refuses: the view's own column would change its type. So the view goes and comes back in the
same transaction, and no session sees the time between. What depends on it goes too and must be made
again: privileges, comments, and views upon the view. Privileges that were granted by hand are
not in the code; so they are read before, and granted after, by the owner.

The longer varchar is a change of the catalogue. A type that means a rewrite is expanded and
contracted (expand_user_email); then the view only goes over to the new column, by CREATE OR REPLACE.

Scenario: change a column that a view depends on
Instead of: DROP VIEW … CASCADE, which takes along the privileges and every view upon it
Locks: review_shifts AccessExclusiveLock, users AccessShareLock; no rewrite, no scan
Rollback: lossless; refuses while a note is longer; rewrites the table under AccessExclusiveLock
    (on a big live one leave the column as it is, and limit it by a CHECK … NOT VALID)
Deploy: at any time before the code that writes longer notes
Needs: planned_review_shifts exists; no view upon planned_review_shifts
Adapt: table review_shifts, columns user_id desk starts_at ends_at note, table users, column username

Revision ID: ba30e61880e7
Revises: 05cfc1974790
Create Date: 2025-01-17 09:15:00.000000+00:00
"""

from alembic import op

revision = "ba30e61880e7"
down_revision = "05cfc1974790"
branch_labels = None
depends_on = None


def upgrade() -> None:
    change("varchar(500)")


def downgrade() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM review_shifts WHERE length(note) > 100) THEN
                RAISE EXCEPTION 'review_shifts.note holds more than 100 characters: it has to stay as it is';
            END IF;
        END
        $$
    """)
    change("varchar(100)")


def change(kind: str) -> None:
    op.execute("LOCK TABLE review_shifts IN ACCESS EXCLUSIVE MODE")
    op.execute(f"""
        DO $$
        DECLARE
            grants CONSTANT text[] := ARRAY(
                SELECT format('GRANT %s ON planned_review_shifts TO %s', privilege_type,
                    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
                FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = 'planned_review_shifts'::regclass
            );
            command text;
        BEGIN
            DROP VIEW planned_review_shifts;
            ALTER TABLE review_shifts ALTER COLUMN note TYPE {kind};
            CREATE VIEW planned_review_shifts WITH (security_invoker = true) AS
            SELECT review_shifts.id, username, desk, starts_at, ends_at, note
            FROM review_shifts JOIN users ON users.id = user_id;
            COMMENT ON VIEW planned_review_shifts IS 'Who reviews at which desk, and when';
            FOREACH command IN ARRAY grants LOOP
                EXECUTE command;
            END LOOP;
        END
        $$
    """)
