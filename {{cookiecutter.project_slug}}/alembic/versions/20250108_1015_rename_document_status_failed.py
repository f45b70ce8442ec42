"""Rename the label "failed" of document_status_enum to "error".

Rows hold a label's number and not its name, so that all of them say "error" at once and
none is written. But so it is for running code too: to write or ask for "failed" is an
error from the commit on. Where that cannot be had, add "error" as a label beside it, as
add_document_status_archived does, and remove the other one when no code names it.

Scenario: rename a label of an enum
Instead of: a new label, an UPDATE of every row that has the old one, and a type swap to be rid of it
Locks: none on existing tables
Rollback: lossless
Deploy: together with the code that says error; code that says failed breaks (22P02)
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
