"""Create shift_contacts: whom to call during a shift. Its phone is what encrypt_shift_contact_phone is about.

Scenario: create a table with personal data that nobody has encrypted yet
Locks: none on existing tables
Rollback: loses shift_contacts
Deploy: before the code that uses it
Needs: nothing
Adapt: new table shift_contacts, key uuid, columns name phone

Revision ID: 631957dbc4f1
Revises: 80ff50693c56
Create Date: 2025-01-16 12:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "631957dbc4f1"
down_revision = "80ff50693c56"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shift_contacts",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_shift_contacts"),
    )


def downgrade() -> None:
    op.drop_table("shift_contacts")
