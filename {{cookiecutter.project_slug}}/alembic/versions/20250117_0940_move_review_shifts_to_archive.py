"""Move review_shifts into the schema archive, and leave a view at the old name.

SET SCHEMA is a change of the catalogue: the table takes its indexes, constraints, triggers and owned
sequences along, and what refers to it goes on. Old code reads and writes the view; it is one table
with all its columns, so it can be written; rename_doc_pages says what such a view cannot do. Both
roles need USAGE on the schema: a view with security_invoker asks for the caller's rights. Functions
that name the table find the view by their search_path.

    move    archive.review_shifts, and a view at the old name; old code runs through the view
    deploy  the new code, if it needs the rows, uses archive.review_shifts; the old code may still run
    drop    no planned_review_shifts, shift_minutes and history any more; their code is gone
    drop    no table and no view any more
    drop    no schema, domain and extension any more

Scenario: move a table to another schema while code that uses the old name is running
Instead of: SET SCHEMA alone, after which every statement of running code fails
Locks: review_shifts AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: before the code that says archive.review_shifts; old code goes on through the view
Needs: no schema archive; PostgreSQL 15; names that need neither quotes nor a schema
Adapt: table review_shifts, key uuid, columns user_id desk starts_at ends_at note settings number, name
    archive

Revision ID: ce4297aea902
Revises: 555bf3b724ac
Create Date: 2025-01-17 09:40:00.000000+00:00
"""

from alembic import op

revision = "ce4297aea902"
down_revision = "555bf3b724ac"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA archive")
    op.execute("LOCK TABLE review_shifts IN SHARE UPDATE EXCLUSIVE MODE")  # autovacuum gives way
    op.execute("ALTER TABLE review_shifts SET SCHEMA archive")
    op.execute("""
        CREATE VIEW review_shifts WITH (security_invoker = true) AS
        SELECT id, user_id, desk, starts_at, ends_at, note, settings, number FROM archive.review_shifts
    """)
    op.execute("""
        DO $$
        DECLARE
            command text;
        BEGIN
            FOR command IN
                SELECT format(
                    'GRANT %1$s ON review_shifts TO %2$s; GRANT USAGE ON SCHEMA archive TO %2$s',
                    privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
                )
                FROM pg_class, aclexplode(relacl)
                WHERE pg_class.oid = 'archive.review_shifts'::regclass AND grantee <> relowner
            LOOP
                EXECUTE command;
            END LOOP;
        END
        $$
    """)


def downgrade() -> None:
    op.execute("DROP VIEW review_shifts")
    op.execute(
        "DO $$ BEGIN EXECUTE 'ALTER TABLE archive.review_shifts SET SCHEMA ' || current_schema(); END $$"
    )
    op.execute("DROP SCHEMA archive")
