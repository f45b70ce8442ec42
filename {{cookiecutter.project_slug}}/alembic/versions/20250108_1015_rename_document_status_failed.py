"""Rename the label "failed" of document_status_enum to "error".

Rows hold a number and not the name of the label. So all of them say "error" at once, and none
is rewritten. But running code sees the change at once too: from the commit on, writing or
asking for "failed" is an error. If that is too much, add "error" as a second label, as in
add_document_status_archived, and remove "failed" when no code uses it.

Scenario: rename a label of an enum
Instead of: a new label, an UPDATE of every row that has the old one, and a type swap to remove the old
    one
Locks: none on existing tables
Rollback: lossless
Deploy: together with the code that uses error; code that uses failed breaks (22P02)
Needs: documents.status is document_status_enum; the label failed
Adapt: table documents, column status, labels failed error

Revision ID: 547cdb477749
Revises: bfe98fa14bba
Create Date: 2025-01-08 10:15:00.000000+00:00
"""

from alembic import op

revision = "547cdb477749"
down_revision = "bfe98fa14bba"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE document_status_enum RENAME VALUE 'failed' TO 'error'")


def downgrade() -> None:
    op.execute("ALTER TYPE document_status_enum RENAME VALUE 'error' TO 'failed'")
