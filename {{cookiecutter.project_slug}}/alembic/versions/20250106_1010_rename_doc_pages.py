"""Rename doc_pages to document_pages, and leave a view under the old name.

Old code still reads and writes doc_pages: a view of all columns of one table is updatable. The
renames and the view are one transaction. The view checks the caller's own rights
(security_invoker), so a role with a privilege on the table gets it on the view. It is not
quite a table: TRUNCATE, COPY … FROM, ON CONFLICT ON CONSTRAINT and GROUP BY its key fail.

The new names and these privileges make this file long. Constraints and the index get the new
name too, because the old one would mislead; each rename is a catalogue change. PostgreSQL 18
also names NOT NULL constraints, 15 does not: the block renames those that exist.

    rename  the table document_pages, and the view doc_pages; old code runs through the view
    deploy  the new code uses document_pages; the old code may still run
    drop    no view any more; only the new code runs

Scenario: rename a table while code that uses the old name is running
Instead of: rename_table() alone, after which every statement of old code fails
Locks: doc_pages AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: before the code that uses document_pages; old code uses the view
Needs: fk_doc_pages_document_id on doc_pages; idx_doc_pages_document_id on doc_pages; pk_doc_pages on
    doc_pages; PostgreSQL 15
Adapt: table doc_pages, key uuid, columns document_id page_number text, new table document_pages

Revision ID: 0a61a265e463
Revises: 2b44e9bc47a8
Create Date: 2025-01-06 10:10:00.000000+00:00
"""

from alembic import op

revision = "0a61a265e463"
down_revision = "2b44e9bc47a8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    rename("doc_pages", "document_pages")
    op.execute("""
        CREATE VIEW doc_pages WITH (security_invoker = true) AS
        SELECT id, document_id, page_number, text FROM document_pages
    """)
    op.execute("""
        DO $$
        DECLARE
            command text;
        BEGIN
            FOR command IN
                SELECT format('GRANT %s ON doc_pages TO %s', privilege_type,
                    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
                FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = 'document_pages'::regclass
            LOOP
                EXECUTE command;
            END LOOP;
        END
        $$
    """)


def downgrade() -> None:
    op.execute("DROP VIEW doc_pages")
    rename("document_pages", "doc_pages")


def rename(old: str, new: str) -> None:
    op.rename_table(old, new)
    op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT pk_{old} TO pk_{new}")
    op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT fk_{old}_document_id TO fk_{new}_document_id")
    op.execute(f"ALTER INDEX idx_{old}_document_id RENAME TO idx_{new}_document_id")
    op.execute(f"""
        DO $$
        DECLARE
            command text;
        BEGIN
            FOR command IN
                SELECT format('ALTER TABLE {new} RENAME CONSTRAINT %I TO %I', conname,
                    replace(conname, '{old}', '{new}'))
                FROM pg_constraint WHERE conrelid = '{new}'::regclass AND contype = 'n'
            LOOP
                EXECUTE command;
            END LOOP;
        END
        $$
    """)
