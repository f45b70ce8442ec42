"""Add documents.new_file_size, a bigint, and keep it equal to file_size: the expand step.

An integer holds at most 2,147,483,647: in bytes, one less than 2 GiB. Integer and bigint are
stored with different widths, so ALTER COLUMN … TYPE rewrites every row. Adding a second column
is a catalogue change, and it can be backfilled while reads and writes go on.

The trigger copies in one direction, which is enough: no code knows the name of the new column.
It fires on every UPDATE, not only of file_size, so every row that is written from now on has
the new value. The CHECK enforces that. It is NOT VALID, so old rows are not checked.

    expand    new_file_size beside file_size, a trigger and a CHECK that is NOT VALID
    backfill  new_file_size has a value in every row
    validate  the CHECK is valid
    contract  file_size is the bigint; no trigger, no CHECK
    deploy    the new code stores files of 2 GiB or more; until then the same code runs

Scenario: change an integer column of a big live table to bigint: expand
Instead of: ALTER COLUMN … TYPE bigint, which rewrites the table while no session can read or write it
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: at any time; no code changes
Needs: documents.file_size is integer; documents.file_size is NOT NULL; no index on documents.file_size;
    no default on documents.file_size
Adapt: table documents, column file_size

Revision ID: 96c97549c29a
Revises: cb294da69df4
Create Date: 2025-01-08 09:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "96c97549c29a"
down_revision = "cb294da69df4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("new_file_size", sa.BigInteger()))
    op.execute("""
        CREATE FUNCTION documents_copy_file_size() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.new_file_size := NEW.file_size;
            RETURN NEW;
        END
        $$
    """)
    op.execute(
        "CREATE TRIGGER documents_copy_file_size BEFORE INSERT OR UPDATE ON documents "
        "FOR EACH ROW EXECUTE FUNCTION documents_copy_file_size()"
    )
    op.create_check_constraint(
        op.f("ck_documents_new_file_size_not_null"),
        "documents",
        "new_file_size IS NOT NULL",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER documents_copy_file_size ON documents")
    op.execute("DROP FUNCTION documents_copy_file_size()")
    op.drop_column("documents", "new_file_size")
