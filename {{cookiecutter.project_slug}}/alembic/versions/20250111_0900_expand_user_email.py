"""Add users.new_email, kept equal to email by a trigger: the expand step.

Five revisions and two deploys of code give the column another type, while every version of the
code reads and writes. The column keeps its name; expand_renamed_note gives a column another one.
Each version knows only one of the names, so the trigger copies in both directions:

    expand, backfill, unique  the first code uses email (varchar), as before
    deploy                    the second code uses new_email (text); the first may still run
    switch                    now email is the text column, and new_email the old one
    deploy                    the third code uses email (text); the second may still run
    contract                  now there is one column, email, of type text

Until the contract step, an email longer than 255 characters is refused under both names. (From
varchar to text, ALTER TABLE … TYPE text alone would do: it changes only the catalogue. The
five steps are for types that need a rewrite, and for columns that change their meaning. Put
your own conversion into the trigger.)

Scenario: replace a column with no downtime, first step: new column, trigger in both directions
Instead of: code that writes both columns, while the old code, which still runs, writes only one
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: loses users.new_email; email has what new code wrote
Deploy: while the first code runs
Needs: users.email is NOT NULL
Adapt: table users, column email

Revision ID: d647f61ec8a9
Revises: a3838bc0b681
Create Date: 2025-01-11 09:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "d647f61ec8a9"
down_revision = "a3838bc0b681"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("new_email", sa.Text()))
    # On INSERT, OLD is all NULL. If the value is unchanged, the statement did not write it.
    op.execute("""
        CREATE FUNCTION users_sync_email() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.new_email IS DISTINCT FROM OLD.new_email THEN
                NEW.email := NEW.new_email;
            ELSE
                NEW.new_email := NEW.email;
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER users_sync_email BEFORE INSERT OR UPDATE OF email, new_email
        ON users FOR EACH ROW EXECUTE FUNCTION users_sync_email()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER users_sync_email ON users")
    op.execute("DROP FUNCTION users_sync_email()")
    op.drop_column("users", "new_email")
