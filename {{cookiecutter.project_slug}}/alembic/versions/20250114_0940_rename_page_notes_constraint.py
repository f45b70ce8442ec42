"""Give the foreign key of page_notes the name that the convention gives, and the models.

Autogenerate compares names: it would drop the one and add the other, which reads both tables.
A rename changes the catalogue only. It also renames the index of a primary key or a unique constraint.

Scenario: rename a constraint
Instead of: DROP and ADD CONSTRAINT, which reads all of page_notes while nobody can read or write it
Locks: page_notes AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that knows an error, or ON CONFLICT, by the old name is gone
Needs: no code that names the constraint
Adapt: table page_notes, columns document_id page_number

Revision ID: 362ce76ef858
Revises: 58a27bc365cc
Create Date: 2025-01-14 09:40:00.000000+00:00
"""

from alembic import op

revision = "362ce76ef858"
down_revision = "58a27bc365cc"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE page_notes RENAME CONSTRAINT page_notes_document_id_page_number_fkey "
        "TO fk_page_notes_document_id_page_number"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE page_notes RENAME CONSTRAINT fk_page_notes_document_id_page_number "
        "TO page_notes_document_id_page_number_fkey"
    )
