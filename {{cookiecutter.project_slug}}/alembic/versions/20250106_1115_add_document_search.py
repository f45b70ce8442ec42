"""Add documents.search, the words of title and tags, kept by a trigger: the expand step.

A stored generated column needs no trigger. But adding one rewrites the table while no session
can read or write it, and its functions must be immutable, which array_to_string() is not. The
trigger fills the column in new and changed rows. The next revision fills the others, in
batches.

In a ranking, words of the title (A) count more than tags (B). The configuration `simple` keeps
words as they are, in every language. 'english' would find "invoices" by "invoice", but spoil
the words of other languages. Titles are often file names, and the parser would keep
"invoice_2024.pdf" as one word. So `translate` replaces such signs by blanks.

    add       search and its trigger: new rows have their words; old code runs
    backfill  every row has its words; old code runs
    index     the index; old code runs
    deploy    the new code searches; the old code may still run

Scenario: full-text search, first step: a tsvector column and its trigger
Instead of: ADD COLUMN search tsvector GENERATED ALWAYS AS (…) STORED, which rewrites the table
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses documents.search
Deploy: before the code that searches, which needs the next two revisions too
Needs: documents.tags is text[]
Adapt: table documents, new column search, columns title tags

Revision ID: 96ee608fccce
Revises: 0cfe889a3fbc
Create Date: 2025-01-06 11:15:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "96ee608fccce"
down_revision = "0cfe889a3fbc"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("search", postgresql.TSVECTOR()))
    op.execute("""
        CREATE FUNCTION documents_search_update() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.search :=
                setweight(to_tsvector('simple', translate(NEW.title, '._-/', '    ')), 'A') ||
                setweight(to_tsvector('simple', array_to_string(NEW.tags, ' ')), 'B');
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER documents_search_update BEFORE INSERT OR UPDATE OF title, tags, search
        ON documents FOR EACH ROW EXECUTE FUNCTION documents_search_update()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER documents_search_update ON documents")
    op.execute("DROP FUNCTION documents_search_update()")
    op.drop_column("documents", "search")
