"""Replace documents.file_size by the bigint column: the contract step.

The swap takes an exclusive lock but scans nothing, so it is as short as a few catalogue
changes. It is one transaction, so no session sees the table without the column. SET NOT NULL
sees the valid CHECK and skips the scan. It comes after the rename, because PostgreSQL 18 names
a NOT NULL after its column.

DROP COLUMN drops the indexes on the old column too, so build one on the new column before.
Here there is none.

To the application, integer and bigint are the same. But a statement that was prepared before
the swap fails ("cached plan must not change result type"). Connections that prepare statements
must be opened again. Those of database.py prepare none.

Scenario: change an integer column of a big live table to bigint: contract
Instead of: SET NOT NULL without the CHECK, which scans the table under the exclusive lock
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; refuses while a size is beyond integer; rewrites the table under AccessExclusiveLock
    (on a big live one go forward instead: expand, backfill and contract to integer)
Deploy: before the code that stores files of 2 GiB or more
Needs: after validate_document_new_file_size; transaction_per_migration; connections that prepare no
    statements
Adapt: table documents, column file_size

Revision ID: 5c81cd51a659
Revises: c109a9c22e88
Create Date: 2025-01-08 09:10:00.000000+00:00
"""

from alembic import op

revision = "5c81cd51a659"
down_revision = "c109a9c22e88"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER documents_copy_file_size ON documents")
    op.execute("DROP FUNCTION documents_copy_file_size()")
    op.drop_column("documents", "file_size")
    op.alter_column("documents", "new_file_size", new_column_name="file_size")
    op.alter_column("documents", "file_size", nullable=False)
    op.drop_constraint(op.f("ck_documents_new_file_size_not_null"), "documents", type_="check")


def downgrade() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM documents WHERE file_size > 2147483647) THEN
                RAISE EXCEPTION 'documents.file_size holds values beyond integer: it has to stay a bigint';
            END IF;
        END
        $$
    """)
    op.alter_column("documents", "file_size", nullable=True)
    op.alter_column("documents", "file_size", new_column_name="new_file_size")
    # Adding a generated column fills it. DROP EXPRESSION then makes a plain column of it.
    op.execute(
        "ALTER TABLE documents ADD COLUMN file_size integer NOT NULL "
        "GENERATED ALWAYS AS (new_file_size::integer) STORED"
    )
    op.execute("ALTER TABLE documents ALTER COLUMN file_size DROP EXPRESSION")
    op.create_check_constraint(
        op.f("ck_documents_new_file_size_not_null"), "documents", "new_file_size IS NOT NULL"
    )
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
