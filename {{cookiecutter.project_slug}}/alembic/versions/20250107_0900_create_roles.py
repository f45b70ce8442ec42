"""Create roles with its rows, and users.role_id: the expand step.

The rows have fixed ids, because code and other revisions use them. An INSERT that gives the
ids itself does not move the sequence, so setval() does. Without it, the application's first
INSERT INTO roles would get id 1 and fail.

Old code inserts users without a role_id, and the default gives them one. It is set after the
column is added, so existing users keep NULL, and the next revision finds them.

    create   roles with its rows; role_id: NULL in old rows, the default in new ones; old code runs
    assign   every user has a role; old code runs
    require  role_id is NOT NULL and refers to roles; old code runs
    deploy   the new code reads and writes roles; the old code may still run, thanks to the default

Scenario: add a lookup table with its rows
Instead of: op.bulk_insert() with ids but without setval(), after which the first INSERT INTO roles fails
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: loses roles, users.role_id
Deploy: before the code that knows roles
Needs: nothing
Adapt: new table roles, key integer, column name, labels admin user reviewer, table users, new column
    role_id

Revision ID: 9db0b2aa85b7
Revises: 39f2de0a137a
Create Date: 2025-01-07 09:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "9db0b2aa85b7"
down_revision = "39f2de0a137a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    roles = op.create_table(
        "roles",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roles"),
        sa.UniqueConstraint("name", name="uq_roles_name"),
    )
    op.bulk_insert(
        roles,
        [
            {"id": 1, "name": "admin"},
            {"id": 2, "name": "user"},
            {"id": 3, "name": "reviewer"},
        ],
    )
    op.execute("SELECT setval(pg_get_serial_sequence('roles', 'id'), (SELECT max(id) FROM roles))")
    op.add_column("users", sa.Column("role_id", sa.Integer()))
    op.alter_column("users", "role_id", server_default="2")


def downgrade() -> None:
    op.execute("LOCK TABLE roles, users IN ACCESS EXCLUSIVE MODE")
    op.drop_column("users", "role_id")
    op.drop_table("roles")
