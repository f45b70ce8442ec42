"""Prove the foreign keys to categories.id, now a bigint, for the rows of before the switch.

The old keys have checked them, and the CHECKs of the expand step have kept the copies equal, so no row
can fail. But a key that is NOT VALID says so in every dump, and a restore does not check it.

It is a revision of its own: VALIDATE reads all of both tables, while everybody reads and writes. In the
transaction of the switch it would do so under the exclusive lock.

Scenario: change an integer primary key to bigint, with what refers to it: validate
Instead of: VALIDATE in the transaction of the switch, which reads both tables under the exclusive lock
Locks: categories ShareUpdateExclusiveLock, documents ShareUpdateExclusiveLock; scans categories, documents
Rollback: lossless
Deploy: after switch_category_id, at any time
Needs: after switch_category_id
Adapt: table categories, column parent_id, table documents, column category_id

Revision ID: da03742f9d05
Revises: a63d77108185
Create Date: 2025-01-14 09:20:00.000000+00:00
"""

from alembic import op

revision = "da03742f9d05"
down_revision = "a63d77108185"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE categories VALIDATE CONSTRAINT fk_categories_parent_id")
    op.execute("ALTER TABLE documents VALIDATE CONSTRAINT fk_documents_category_id")


def downgrade() -> None:
    # There is no "unvalidate". Nobody can write between the two.
    op.execute("LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE")
    op.drop_constraint("fk_categories_parent_id", "categories", type_="foreignkey")
    op.drop_constraint("fk_documents_category_id", "documents", type_="foreignkey")
    op.create_foreign_key(
        "fk_categories_parent_id",
        "categories",
        "categories",
        ["parent_id"],
        ["id"],
        postgresql_not_valid=True,
    )
    op.create_foreign_key(
        "fk_documents_category_id",
        "documents",
        "categories",
        ["category_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )
