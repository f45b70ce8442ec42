"""Add page_notes.body, the new name of page_notes.note, kept equal to it by a trigger: the expand step.

RENAME COLUMN needs one short statement. But old code knows only the old name: it fails from then on. Here
the table has both columns for a while, and the trigger copies every write in both directions. If a
statement writes both columns, the new column wins.

    expand    both columns and the trigger; the old code runs
    backfill  the new column has a value in every row; the old code runs
    require   the new column has all rules of the old one; the old code runs
    deploy    the new code uses the new column; the old code may still run, and may come back
    contract  only the new column, no trigger; only the new code runs

Use this if old and new code run at once. If the code may stop for the deploy, rename the column itself, as
in rename_document_name_to_title: that copies no row. If only the code wants another name, change no table:
the model can map the new name to the old column.

The new column gets no default before the contract step, even if the old one has a default. If old code
inserts a row, the trigger takes the new column's default for a value of new code, and the default wins.

Scenario: rename a column with no downtime, first step: new column, trigger in both directions
Instead of: RENAME COLUMN, after which the old code, which still runs, fails (42703)
Locks: page_notes AccessExclusiveLock; no rewrite, no scan
Rollback: loses page_notes.body; page_notes.note has what new code wrote
Deploy: while the old code runs
Needs: page_notes.note is text
Adapt: table page_notes, column note, new column body

Revision ID: 93ace0afca59
Revises: 362ce76ef858
Create Date: 2025-01-14 09:41:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "93ace0afca59"
down_revision = "362ce76ef858"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("page_notes", sa.Column("body", sa.Text()))
    # On INSERT, OLD is all NULL. If the value is unchanged, the statement did not write it.
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


def downgrade() -> None:
    op.execute("DROP TRIGGER page_notes_sync_body ON page_notes")
    op.execute("DROP FUNCTION page_notes_sync_body()")
    op.drop_column("page_notes", "body")
