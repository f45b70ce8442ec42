"""Drop the trigger that kept documents.language in step with metadata: the contract step.

From now on only the column counts. The key stays in the metadata that has it, but no code
reads it. Removing it would rewrite every row for no gain.

Scenario: end the time in which two forms of a value are kept in step
Instead of: leaving the trigger in place, which goes on overwriting one form with the other
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that reads or writes the key in metadata is gone
Needs: after backfill_document_language
Adapt: table documents, columns metadata language, member language

Revision ID: c51cd31ba9ec
Revises: 02ae3ba14c66
Create Date: 2025-01-06 10:55:00.000000+00:00
"""

from alembic import op

revision = "c51cd31ba9ec"
down_revision = "02ae3ba14c66"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER sync_document_language ON documents")
    op.execute("DROP FUNCTION sync_document_language()")


def downgrade() -> None:
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
