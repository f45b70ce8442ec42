"""Add categories.new_id and the columns that will refer to it, all bigint: the expand step.

An integer key ends at 2,147,483,647. Each column that refers to it
has its type too. Six revisions make all of them bigint, while code that knows nothing of it reads and writes:

    expand, backfill    each integer column gets a bigint beside it, which a trigger keeps equal
    index               the new ones get the indexes and rules of the old ones
    switch              all swap their names at once; now the triggers fill the old columns
    validate            the new foreign keys are proven
    contract            the old columns go

Code needs no new version, because the names stay. Until the contract each id must fit into the old
columns, and one beyond integer is refused: begin in time.

The triggers fire on every write, so that no row that is written from now on lacks a copy. The CHECKs
are NOT VALID: old rows are not checked. They say that old and new are equal, or both NULL.

Scenario: change an integer primary key to bigint, with what refers to it: expand
Instead of: ALTER COLUMN … TYPE bigint, which writes every row anew while nobody can read or write
Locks: categories AccessExclusiveLock, documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: at any time; no code changes
Needs: categories.id is integer; documents.category_id refers to categories; categories.parent_id refers to
    categories; no other table that refers to categories
Adapt: table categories, key integer, new column new_id, column parent_id, table documents, column category_id

Revision ID: 68534a16b35e
Revises: e3a86f1d7c52
Create Date: 2025-01-14 09:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "68534a16b35e"
down_revision = "e3a86f1d7c52"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE")
    op.add_column("categories", sa.Column("new_id", sa.BigInteger()))
    op.add_column("categories", sa.Column("new_parent_id", sa.BigInteger()))
    op.add_column("documents", sa.Column("new_category_id", sa.BigInteger()))
    op.execute("""
        CREATE FUNCTION categories_copy_id() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.new_id := NEW.id;
            NEW.new_parent_id := NEW.parent_id;
            RETURN NEW;
        END
        $$
    """)
    op.execute(
        "CREATE TRIGGER categories_copy_id BEFORE INSERT OR UPDATE ON categories "
        "FOR EACH ROW EXECUTE FUNCTION categories_copy_id()"
    )
    op.execute("""
        CREATE FUNCTION documents_copy_category_id() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.new_category_id := NEW.category_id;
            RETURN NEW;
        END
        $$
    """)
    op.execute(
        "CREATE TRIGGER documents_copy_category_id BEFORE INSERT OR UPDATE ON documents "
        "FOR EACH ROW EXECUTE FUNCTION documents_copy_category_id()"
    )
    op.create_check_constraint(
        op.f("ck_categories_new_id_equal"),
        "categories",
        "new_id IS NOT NULL AND new_id = id AND new_parent_id IS NOT DISTINCT FROM parent_id",
        postgresql_not_valid=True,
    )
    op.create_check_constraint(
        op.f("ck_documents_new_category_id_equal"),
        "documents",
        "new_category_id IS NOT DISTINCT FROM category_id",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.execute("LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER documents_copy_category_id ON documents")
    op.execute("DROP FUNCTION documents_copy_category_id()")
    op.execute("DROP TRIGGER categories_copy_id ON categories")
    op.execute("DROP FUNCTION categories_copy_id()")
    op.drop_column("documents", "new_category_id")
    op.drop_column("categories", "new_parent_id")
    op.drop_column("categories", "new_id")
