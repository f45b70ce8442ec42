"""Drop page_notes.note, which is called page_notes.body now, and the trigger: the contract step.

DROP COLUMN also drops each index, constraint and default of the column, and does not say so. So the block
counts what depends on each of the two columns, and refuses if the new column lacks something. (If the old
column has a default, add SET DEFAULT for the new column after DROP TRIGGER.)

The new column is the last of the table: that changes SELECT * by position, and an INSERT without columns.

The way back adds the old column as a generated one, which has its values at once, and drops the expression.
That rewrites the table under the lock. For a big table, copy this scenario with the two names exchanged.

Scenario: rename a column with no downtime, last step: drop the old column and the trigger
Instead of: DROP COLUMN alone, which also drops a unique constraint that the new column lacks
Locks: page_notes AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; rewrites page_notes under AccessExclusiveLock
Deploy: after the old code is gone
Needs: after require_renamed_note; code that names the columns that it writes; connections that
    prepare no statements
Adapt: table page_notes, columns note body

Revision ID: f1c7199e9d74
Revises: 68b53fadb506
Create Date: 2025-01-14 09:44:00.000000+00:00
"""

from alembic import op

revision = "f1c7199e9d74"
down_revision = "68b53fadb506"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER page_notes_sync_body ON page_notes")
    op.execute("DROP FUNCTION page_notes_sync_body()")
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (
                SELECT FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
                WHERE refobjid = 'page_notes'::regclass
                GROUP BY classid
                HAVING count(*) FILTER (WHERE attname = 'note') > count(*) FILTER (WHERE attname = 'body')
            ) THEN
                RAISE EXCEPTION 'page_notes.body lacks an index, a constraint or a default of page_notes.note';
            END IF;
        END
        $$
    """)
    op.drop_column("page_notes", "note")


def downgrade() -> None:
    op.execute("ALTER TABLE page_notes ADD COLUMN note text GENERATED ALWAYS AS (body) STORED NOT NULL")
    op.execute("ALTER TABLE page_notes ALTER COLUMN note DROP EXPRESSION")
    op.execute("""
        CREATE FUNCTION page_notes_sync_body() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.body IS DISTINCT FROM OLD.body THEN
                NEW.note := NEW.body;
            ELSE
                NEW.body := NEW.note;
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER page_notes_sync_body BEFORE INSERT OR UPDATE OF note, body
        ON page_notes FOR EACH ROW EXECUTE FUNCTION page_notes_sync_body()
    """)
