"""Drop the view doc_pages, the old name of the table: the contract step.

pg_stat_statements or the log shows whether any code still uses doc_pages. If another view is
defined on this one, the revision fails and drops neither.

Scenario: end the old name of a table
Instead of: DROP VIEW … CASCADE, which also drops every view that is built on it
Locks: none on existing tables; the view is locked, as long as a change of the catalogue takes
Rollback: lossless
Deploy: after the code that uses doc_pages is gone
Needs: after rename_doc_pages; PostgreSQL 15
Adapt: table doc_pages, key uuid, columns document_id page_number text, table document_pages

Revision ID: 37f794e57584
Revises: 0a61a265e463
Create Date: 2025-01-06 10:15:00.000000+00:00
"""

from alembic import op

revision = "37f794e57584"
down_revision = "0a61a265e463"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP VIEW doc_pages")


def downgrade() -> None:
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
