"""Add a column for a customer's phone, and a limit for priorities.

Scenario: add a nullable column
Locks: customers AccessExclusiveLock, repairs AccessExclusiveLock
Rollback: loses customers.phone
Deploy: before the code that reads it

Revision ID: a00000000004
Revises: a00000000002
Create Date: 2024-01-01 09:15:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000004"
down_revision = "a00000000002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("phone", sa.String(20), nullable=True))
    op.create_check_constraint(
        "priority_range", "repairs", "priority BETWEEN 0 AND 100", postgresql_not_valid=True
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_repairs_priority_range"), "repairs")
    op.drop_column("customers", "phone")
