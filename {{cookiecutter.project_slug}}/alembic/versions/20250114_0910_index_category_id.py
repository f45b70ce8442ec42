"""Give the new columns of categories and documents the indexes and rules of the old ones.

With the same indexes on both columns, the switch builds nothing and scans nothing. There the unique
index over new_id becomes the primary key. It gets no constraint here, because an index can belong to one
only. The unique constraint over parent_id and name gets a second one over the new column.

VALIDATE proves that the copies are complete, also where a copy may be NULL: forgotten rows would
lose their category at the contract. SET NOT NULL sees the valid CHECK and skips the
scan, and PRIMARY KEY later sees the NOT NULL; without it each would scan the table. What an earlier run has
finished is kept.

Scenario: change an integer primary key to bigint, with what refers to it: index
Instead of: CREATE INDEX, under which writes wait, and SET NOT NULL, under which reads wait too
Locks: categories AccessExclusiveLock, documents ShareUpdateExclusiveLock; the scans under
    ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after backfill_category_id, at any time
Needs: after backfill_category_id; uq_categories_parent_id_name on categories; idx_documents_category_id on
    documents; no other index on these columns
Adapt: table categories, columns new_id parent_id name, table documents, column category_id

Revision ID: 271ae91752d5
Revises: 46e24200f339
Create Date: 2025-01-14 09:10:00.000000+00:00
"""

from typing import Any

from alembic import op

revision = "271ae91752d5"
down_revision = "46e24200f339"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        build("uq_categories_new_id", "categories", ["new_id"], unique=True)
        build(
            "uq_categories_new_parent_id_name",
            "categories",
            ["new_parent_id", "name"],
            unique=True,
            postgresql_nulls_not_distinct=True,
        )
        build("idx_documents_new_category_id", "documents", ["new_category_id"])
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'categories'::regclass AND conname = 'uq_categories_new_parent_id_name'
                ) THEN
                    LOCK TABLE categories IN SHARE UPDATE EXCLUSIVE MODE;  -- autovacuum gives way
                    ALTER TABLE categories ADD CONSTRAINT uq_categories_new_parent_id_name
                        UNIQUE USING INDEX uq_categories_new_parent_id_name;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_new_category_id_equal")
        op.execute("ALTER TABLE categories VALIDATE CONSTRAINT ck_categories_new_id_equal")
        op.alter_column("categories", "new_id", nullable=False)


def downgrade() -> None:
    op.execute("LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE")
    op.alter_column("categories", "new_id", nullable=True)
    op.drop_constraint("uq_categories_new_parent_id_name", "categories", type_="unique")
    op.drop_index("uq_categories_new_id", table_name="categories")
    op.drop_index("idx_documents_new_category_id", table_name="documents")
    # There is no "unvalidate". Nobody can write between the two.
    op.drop_constraint(op.f("ck_categories_new_id_equal"), "categories", type_="check")
    op.drop_constraint(op.f("ck_documents_new_category_id_equal"), "documents", type_="check")
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


def build(index: str, table: str, columns: list[str], **how: Any) -> None:
    """Build an index while everybody writes, unless an earlier run has done it."""
    # A failed build leaves an INVALID index, which makes room. A valid one is kept: it took long.
    op.execute(f"""
        DO $$
        BEGIN
            LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE;  -- a build may still be running
            IF EXISTS (
                SELECT FROM pg_index WHERE indexrelid = to_regclass('{index}') AND NOT indisvalid
            ) THEN
                ALTER INDEX {index} RENAME TO {index}_invalid;
            END IF;
        END
        $$
    """)
    op.drop_index(f"{index}_invalid", table_name=table, if_exists=True, postgresql_concurrently=True)
    op.create_index(index, table, columns, postgresql_concurrently=True, if_not_exists=True, **how)
