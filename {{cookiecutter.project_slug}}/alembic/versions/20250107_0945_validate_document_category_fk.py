"""Validate the foreign key of documents.category_id, now that no orphan is left.

VALIDATE does the scan that ADD FOREIGN KEY would do under its lock. It has a transaction of
its own, and reads and writes go on. From now on PostgreSQL knows that every row obeys the key,
and a restore of a dump checks every row too.

Scenario: validate a foreign key
Instead of: leaving it NOT VALID, so that nothing proves that no orphan is left
Locks: documents ShareUpdateExclusiveLock, categories RowShareLock; scans documents
Rollback: lossless
Deploy: after clean_document_categories, at any time
Needs: after clean_document_categories
Adapt: table documents, column category_id, table categories, key integer

Revision ID: 999bbbe59a99
Revises: ad2169ecadb0
Create Date: 2025-01-07 09:45:00.000000+00:00
"""

from alembic import op

revision = "999bbbe59a99"
down_revision = "ad2169ecadb0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE documents VALIDATE CONSTRAINT fk_documents_category_id")


def downgrade() -> None:
    # A constraint cannot become NOT VALID again, so drop it and add it anew, under one lock.
    op.execute("LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE")
    op.drop_constraint("fk_documents_category_id", "documents", type_="foreignkey")
    op.create_foreign_key(
        "fk_documents_category_id",
        "documents",
        "categories",
        ["category_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )
