"""Add documents.language, kept in step with the key in metadata that it replaces: the expand step.

Old code knows only the key, new code only the column, and both run for a while. A trigger
copies every write: a changed key to the column, a changed column to the key. If a statement
changes both, the column wins. A missing key changes nothing, because new code does not write
it. JSON null means that the language is unknown.

Some values do not fit the column: a number, an object, a text that is empty or longer than 35
characters. They stay in metadata, and the column is NULL. They are not cut, because a cut
language tag is another language. RFC 5646 asks for room for 35 characters.

    add       the column and the trigger; old code runs
    deploy    the new code reads and writes the column; the old code may still run
    backfill  the column has the key of every row; both may run
    drop      no trigger any more; only the new code runs

Scenario: promote a key of a JSON document to a column
Instead of: a stored generated column, which rewrites the table, and which new code cannot write
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses documents.language
Deploy: before the code that reads or writes language; until the backfill is done, that code reads
    metadata where the column is NULL
Needs: documents.metadata is jsonb
Adapt: table documents, new column language, column metadata, member language

Revision ID: f37b872d32ce
Revises: 42429aad43c0
Create Date: 2025-01-06 10:45:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "f37b872d32ce"
down_revision = "42429aad43c0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("language", sa.String(35)))
    op.execute("""
        CREATE FUNCTION sync_document_language() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            key CONSTANT jsonb := NEW.metadata -> 'language';
            old_key CONSTANT jsonb := OLD.metadata -> 'language';
            value CONSTANT text := NEW.metadata ->> 'language';
        BEGIN
            IF NEW.language IS NOT DISTINCT FROM OLD.language AND key IS NOT NULL
                AND key IS DISTINCT FROM old_key
            THEN
                NEW.language := CASE
                    WHEN jsonb_typeof(key) = 'string' AND length(value) BETWEEN 1 AND 35 THEN value
                END;
            ELSIF coalesce(NEW.language, OLD.language) IS NOT NULL
                AND jsonb_typeof(coalesce(NEW.metadata, '{}')) = 'object'
            THEN
                NEW.metadata := coalesce(NEW.metadata, '{}') || jsonb_build_object('language', NEW.language);
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER sync_document_language BEFORE INSERT OR UPDATE OF metadata, language ON documents
        FOR EACH ROW EXECUTE FUNCTION sync_document_language()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER sync_document_language ON documents")
    op.execute("DROP FUNCTION sync_document_language()")
    op.drop_column("documents", "language")
