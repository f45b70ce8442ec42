"""Drop the integer columns of categories and documents, and the triggers that fill them: the contract.

Their indexes, their unique constraint and the CHECKs go with them. From now on an id may be beyond
integer. The triggers go first, all in one transaction: a write between the two would fail.

Scenario: change an integer primary key to bigint, with what refers to it: contract
Instead of: dropping the columns and then their triggers, without which each write in between fails
Locks: categories AccessExclusiveLock, documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; refuses while an id is beyond integer; rewrites both tables under AccessExclusiveLock
    (on big live ones go forward instead: expand, backfill, index and switch to integer)
Deploy: after validate_category_id, and before an id is beyond integer; no code names these columns
Needs: after validate_category_id
Adapt: table categories, columns new_id parent_id name, table documents, column category_id

Revision ID: 22cc4c29fc58
Revises: da03742f9d05
Create Date: 2025-01-14 09:25:00.000000+00:00
"""

from alembic import op

revision = "22cc4c29fc58"
down_revision = "da03742f9d05"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER categories_copy_id ON categories")
    op.execute("DROP FUNCTION categories_copy_id()")
    op.execute("DROP TRIGGER documents_copy_category_id ON documents")
    op.execute("DROP FUNCTION documents_copy_category_id()")
    op.drop_column("categories", "new_id")
    op.drop_column("categories", "new_parent_id")
    op.drop_column("documents", "new_category_id")


def downgrade() -> None:
    op.execute("LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE")
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM categories WHERE id > 2147483647) THEN
                RAISE EXCEPTION 'categories.id holds values beyond integer: it has to stay a bigint';
            END IF;
        END
        $$
    """)
    # A generated column comes with its values; without its expression it is one like any other.
    op.execute("""
        ALTER TABLE categories
            ADD COLUMN new_id integer NOT NULL GENERATED ALWAYS AS (id::integer) STORED,
            ADD COLUMN new_parent_id integer GENERATED ALWAYS AS (parent_id::integer) STORED
    """)
    op.execute(
        "ALTER TABLE documents ADD COLUMN new_category_id integer "
        "GENERATED ALWAYS AS (category_id::integer) STORED"
    )
    op.execute("ALTER TABLE categories ALTER COLUMN new_id DROP EXPRESSION")
    op.execute("ALTER TABLE categories ALTER COLUMN new_parent_id DROP EXPRESSION")
    op.execute("ALTER TABLE documents ALTER COLUMN new_category_id DROP EXPRESSION")
    op.create_unique_constraint(
        "uq_categories_new_parent_id_name",
        "categories",
        ["new_parent_id", "name"],
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("idx_documents_new_category_id", "documents", ["new_category_id"])
    # The switch has swapped the columns of these too.
    op.create_check_constraint(
        op.f("ck_categories_new_id_equal"),
        "categories",
        "id IS NOT NULL AND id = new_id AND parent_id IS NOT DISTINCT FROM new_parent_id",
    )
    op.create_check_constraint(
        op.f("ck_documents_new_category_id_equal"),
        "documents",
        "category_id IS NOT DISTINCT FROM new_category_id",
    )
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
