"""Add categories.parent_id, which points to another category: a tree.

The column and its foreign key are added in one statement. So PostgreSQL knows that every value
is NULL, and scans nothing. With two statements it would scan the table.

Deleting a category that has children is refused. SET NULL would make the children top-level
categories, and CASCADE would delete the whole branch.

Scenario: add a foreign key of a table to itself
Instead of: op.add_column() and then op.create_foreign_key(), which scans all rows under its lock
Locks: categories AccessExclusiveLock; no rewrite, no scan
Rollback: loses categories.parent_id
Deploy: before the code that reads or writes parent_id
Needs: nothing
Adapt: table categories, key integer, new column parent_id

Revision ID: be07d77c8995
Revises: 0df07711614a
Create Date: 2025-01-08 10:45:00.000000+00:00
"""

from alembic import op

revision = "be07d77c8995"
down_revision = "0df07711614a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE categories ADD COLUMN parent_id integer "
        "CONSTRAINT fk_categories_parent_id REFERENCES categories (id)"
    )


def downgrade() -> None:
    op.drop_column("categories", "parent_id")
