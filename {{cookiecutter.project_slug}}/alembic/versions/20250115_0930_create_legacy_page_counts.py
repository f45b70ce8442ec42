"""Create legacy_page_counts, with the rows of a query: how many pages each document has today.

CREATE TABLE … AS copies names and types, and nothing else: no key, no NOT NULL, no default. So the
table is defined first, and filled after. Both are in one transaction, and no session sees it
empty. The query sees what was committed when it began. Writes to the pages go on, and are not in it.

Scenario: create a table from a query
Instead of: CREATE TABLE … AS, which has no key and takes NULL everywhere
Locks: document_pages AccessShareLock; scans document_pages
Rollback: loses legacy_page_counts
Deploy: before the code that reads it
Needs: nothing
Adapt: new table legacy_page_counts, columns document_id pages, table document_pages, column document_id,
    table documents, key uuid

Revision ID: efbddd3d5667
Revises: cb3c913ac724
Create Date: 2025-01-15 09:30:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "efbddd3d5667"
down_revision = "cb3c913ac724"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "legacy_page_counts",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", name="pk_legacy_page_counts"),
    )
    op.execute("""
        INSERT INTO legacy_page_counts (document_id, pages)
        SELECT document_id, count(*) FROM document_pages GROUP BY document_id ORDER BY document_id
    """)


def downgrade() -> None:
    op.drop_table("legacy_page_counts")
