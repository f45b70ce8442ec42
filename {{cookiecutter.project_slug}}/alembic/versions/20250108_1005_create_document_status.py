"""Create the type document_status_enum and the column documents.status.

Adding a column does not create its type, and dropping it does not drop the type, so both are
explicit. `checkfirst=False`, because a script of `--sql` cannot ask whether the type exists.

The constant default is stored once, in the catalogue, so old rows are not rewritten. A row
that old code inserts gets it too.

Scenario: add an enum column
Instead of: a varchar, which accepts every misspelling
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: loses documents.status
Deploy: before the code that reads or writes status
Needs: nothing
Adapt: table documents, new column status, labels pending processing completed failed

Revision ID: 145f7e35f46c
Revises: f3ccaa583311
Create Date: 2025-01-08 10:05:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

status = postgresql.ENUM(
    "pending", "processing", "completed", "failed", name="document_status_enum", create_type=False
)

revision = "145f7e35f46c"
down_revision = "f3ccaa583311"
branch_labels = None
depends_on = None


def upgrade() -> None:
    status.create(op.get_bind(), checkfirst=False)
    op.add_column("documents", sa.Column("status", status, server_default="pending", nullable=False))


def downgrade() -> None:
    op.drop_column("documents", "status")
    status.drop(op.get_bind(), checkfirst=False)
