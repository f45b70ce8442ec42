"""Swap the bigint columns with the integer ones, and make categories.id the key anew: the switch.

All in one transaction, which scans nothing: names are swapped, the index over the bigint becomes
the primary key, and the foreign keys are made anew, NOT VALID. They check what is written from now on;
every row that is there was checked by the old ones. Foreign keys depend on the index of the old key, so
they are dropped first.

Swapping the names alone, with the key left on the old column, would do for code that reads and writes.
But `GROUP BY categories.id` may name the other columns only while id is the primary key.

An identity cannot move to another column. So id gets one of its own, which counts on from where the
old one is. Rights on the old sequence go with it: an INSERT needs none.

The triggers name columns, not places, and fill the integer columns now, so there is a way back. It
builds the old key's index while everybody writes, and makes the same swap. Open sessions have compiled
the triggers' functions for the old types: any change to a function has them compile it anew.

Scenario: change an integer primary key to bigint, with what refers to it: switch
Instead of: ADD FOREIGN KEY, which reads both tables under the exclusive lock, and an identity that
    begins at 1
Locks: categories AccessExclusiveLock, documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that cannot read a bigint (some drivers give it as text) is gone
Needs: after index_category_id; pk_categories on categories; categories.id by an identity by
    default, which counts by ones; no code that calls its sequence; transaction_per_migration;
    connections that prepare no statements
Adapt: table categories, columns new_id parent_id name, table documents, column category_id, name swapped

Revision ID: a63d77108185
Revises: 271ae91752d5
Create Date: 2025-01-14 09:15:00.000000+00:00
"""

from alembic import op

revision = "a63d77108185"
down_revision = "271ae91752d5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    swap(unless="false")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        build_index()
        swap(
            unless="pg_typeof((SELECT id FROM categories WHERE false)) = pg_typeof(1)"
        )  # an earlier run has done it
        op.execute("ALTER TABLE categories VALIDATE CONSTRAINT fk_categories_parent_id")
        op.execute("ALTER TABLE documents VALIDATE CONSTRAINT fk_documents_category_id")
        build_index()  # the one that is the key no more went with it


def swap(unless: str) -> None:
    """Swap the names of old and new columns, and make the key and what refers to it of those named id."""
    op.execute(f"""
        DO $$
        DECLARE
            number bigint;
            is_taken boolean;
        BEGIN
            IF {unless} THEN
                RETURN;
            END IF;
            -- Autovacuum gives way to the first one, while no code waits yet.
            LOCK TABLE categories, documents IN SHARE UPDATE EXCLUSIVE MODE;
            LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE;

            EXECUTE format('SELECT last_value, is_called FROM %s', pg_get_serial_sequence('categories', 'id'))
                INTO number, is_taken;
            ALTER TABLE categories ALTER COLUMN id DROP IDENTITY;

            ALTER TABLE documents DROP CONSTRAINT fk_documents_category_id;
            ALTER TABLE categories DROP CONSTRAINT fk_categories_parent_id;
            ALTER TABLE categories DROP CONSTRAINT pk_categories;
            ALTER TABLE categories ADD CONSTRAINT pk_categories PRIMARY KEY USING INDEX uq_categories_new_id;

            ALTER TABLE categories RENAME COLUMN id TO swapped;
            ALTER TABLE categories RENAME COLUMN new_id TO id;
            ALTER TABLE categories RENAME COLUMN swapped TO new_id;
            ALTER TABLE categories RENAME COLUMN parent_id TO swapped;
            ALTER TABLE categories RENAME COLUMN new_parent_id TO parent_id;
            ALTER TABLE categories RENAME COLUMN swapped TO new_parent_id;
            ALTER TABLE documents RENAME COLUMN category_id TO swapped;
            ALTER TABLE documents RENAME COLUMN new_category_id TO category_id;
            ALTER TABLE documents RENAME COLUMN swapped TO new_category_id;

            ALTER TABLE categories RENAME CONSTRAINT uq_categories_parent_id_name TO swapped;
            ALTER TABLE categories RENAME CONSTRAINT uq_categories_new_parent_id_name TO uq_categories_parent_id_name;
            ALTER TABLE categories RENAME CONSTRAINT swapped TO uq_categories_new_parent_id_name;
            ALTER INDEX idx_documents_category_id RENAME TO swapped;
            ALTER INDEX idx_documents_new_category_id RENAME TO idx_documents_category_id;
            ALTER INDEX swapped RENAME TO idx_documents_new_category_id;
            IF EXISTS (  -- PostgreSQL 18 names NOT NULL too
                SELECT FROM pg_constraint
                WHERE conrelid = 'categories'::regclass AND conname = 'categories_id_not_null'
            ) THEN
                ALTER TABLE categories RENAME CONSTRAINT categories_id_not_null TO swapped;
                ALTER TABLE categories RENAME CONSTRAINT categories_new_id_not_null TO categories_id_not_null;
                ALTER TABLE categories RENAME CONSTRAINT swapped TO categories_new_id_not_null;
            END IF;

            ALTER TABLE categories ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY;
            PERFORM setval(pg_get_serial_sequence('categories', 'id'), number, is_taken);
            ALTER TABLE categories ADD CONSTRAINT fk_categories_parent_id
                FOREIGN KEY (parent_id) REFERENCES categories (id) NOT VALID;
            ALTER TABLE documents ADD CONSTRAINT fk_documents_category_id
                FOREIGN KEY (category_id) REFERENCES categories (id) ON DELETE SET NULL NOT VALID;

            ALTER FUNCTION categories_copy_id() VOLATILE;  -- as they are: they only have to be compiled anew
            ALTER FUNCTION documents_copy_category_id() VOLATILE;
        END
        $$
    """)


def build_index() -> None:
    """Build the index over new_id, of which the swap makes the primary key, as index_category_id does."""
    op.execute("""
        DO $$
        BEGIN
            LOCK TABLE categories IN SHARE UPDATE EXCLUSIVE MODE;  -- a build may still be running
            IF EXISTS (
                SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_categories_new_id') AND NOT indisvalid
            ) THEN
                ALTER INDEX uq_categories_new_id RENAME TO uq_categories_new_id_invalid;
            END IF;
        END
        $$
    """)
    op.drop_index(
        "uq_categories_new_id_invalid", table_name="categories", if_exists=True, postgresql_concurrently=True
    )
    op.create_index(
        "uq_categories_new_id",
        "categories",
        ["new_id"],
        unique=True,
        postgresql_concurrently=True,
        if_not_exists=True,
    )
