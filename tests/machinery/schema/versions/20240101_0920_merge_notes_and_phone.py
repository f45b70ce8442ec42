"""Merge the branches: one head again.

Scenario: merge two branches
Locks: none
Rollback: lossless
Deploy: at any time

Revision ID: a00000000005
Revises: a00000000003, a00000000004
Create Date: 2024-01-01 09:20:00.000000+00:00
"""

revision = "a00000000005"
down_revision = ("a00000000003", "a00000000004")
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
