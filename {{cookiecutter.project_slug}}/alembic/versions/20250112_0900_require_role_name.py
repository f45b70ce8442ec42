"""Refuse roles without a name: the feature, on the branch "dev".

Two branches start at the same revision.
`alembic revision --head=<id> --branch-label=dev --splice` begins one and gives it a label.
`alembic upgrade dev@head` then upgrades this branch only, and a bare `head` is ambiguous.

A plain CHECK is right for a table of three rows: the scan takes no noticeable time.

Scenario: start a feature branch
Instead of: two revisions on one parent by mistake, found when `alembic upgrade head` fails
Locks: roles AccessExclusiveLock; scans roles, which is small
Allow: scan roles, it has three rows
Rollback: lossless
Deploy: before the code that lets admins name roles
Needs: at most some hundred rows
Adapt: table roles, column name

Revision ID: 71eaeeeae894
Revises: f756c40e7550
Create Date: 2025-01-12 09:00:00.000000+00:00
"""

from alembic import op

revision = "71eaeeeae894"
down_revision = "f756c40e7550"
branch_labels = ("dev",)
depends_on = None


def upgrade() -> None:
    op.create_check_constraint(op.f("ck_roles_name_not_blank"), "roles", "btrim(name) <> ''")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_roles_name_not_blank"), "roles", type_="check")
