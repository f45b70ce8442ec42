"""Drop shift_contacts, which was there for the revisions before this one.

Scenario: drop a table whose secrets the application has encrypted
Locks: shift_contacts AccessExclusiveLock
Rollback: loses shift_contacts
Deploy: after the code that uses it is gone
Needs: code that does not name the table; nothing that refers to it
Adapt: table shift_contacts, key uuid, columns name phone_encrypted

Revision ID: 63337c30dff0
Revises: 6c12607e8e64
Create Date: 2025-01-16 12:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "63337c30dff0"
down_revision = "6c12607e8e64"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("shift_contacts")


def downgrade() -> None:
    op.create_table(
        "shift_contacts",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone_encrypted", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_shift_contacts"),
    )
