"""Make the name of a category unique among those with the same parent, or with none.

For a plain UNIQUE two NULLs are different, so any number of top-level categories could have
one name. For NULLS NOT DISTINCT (PostgreSQL 15) they are the same.

This builds the index under the exclusive lock. That is right for some hundred rows that are
rarely written: it takes a few milliseconds. For a big table see unique_document_page_number.

Scenario: add a unique constraint in which NULL counts as a value
Instead of: UNIQUE (parent_id, name), or a second, partial index WHERE parent_id IS NULL
Locks: categories AccessExclusiveLock; no rewrite, reads this small table under it
Allow: index categories, it has some hundred rows and is hardly ever written
Rollback: lossless
Deploy: after the code that makes a second category of one name is gone
Needs: after merge_duplicate_categories; PostgreSQL 15; at most some hundred rows
Adapt: table categories, columns parent_id name

Revision ID: 985743aa6b7f
Revises: 5a0ada7809b7
Create Date: 2025-01-08 10:55:00.000000+00:00
"""

from alembic import op

revision = "985743aa6b7f"
down_revision = "5a0ada7809b7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_unique_constraint(
        "uq_categories_parent_id_name",
        "categories",
        ["parent_id", "name"],
        postgresql_nulls_not_distinct=True,
    )


def downgrade() -> None:
    op.drop_constraint("uq_categories_parent_id_name", "categories", type_="unique")
