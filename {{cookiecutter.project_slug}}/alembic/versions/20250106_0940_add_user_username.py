"""Add users.username, nullable for now: the expand step.

Old code inserts users without a username until its last process has ended. The default gives
them a unique name, which the user may change later. It is set after the column is added, for
two reasons. Existing users keep NULL, so the next revision finds them. And a volatile default
in ADD COLUMN, such as one of gen_random_uuid(), rewrites the table.

A trigger that makes the name from the email is no solution. Two transactions that insert
sam@example.com and sam@example.org at once cannot see each other: both would choose "sam".

    add       username: NULL in old rows, the default in new ones; old code runs
    backfill  every row has a username; old code runs
    require   username is NOT NULL; old code runs
    unique    username is unique; old code runs
    deploy    the new code reads and writes username; the old code may still run, thanks to the default
    drop      no default any more; only the new code runs

Scenario: add a NOT NULL column whose value differs from row to row
Instead of: ADD COLUMN … NOT NULL, which fails as soon as there is a row
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: loses users.username
Deploy: before the code that knows usernames
Needs: nothing
Adapt: table users, new column username

Revision ID: c8d8c5aea4e6
Revises: c50e2cb9db69
Create Date: 2025-01-06 09:40:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "c8d8c5aea4e6"
down_revision = "c50e2cb9db69"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("username", sa.String(50)))
    op.alter_column("users", "username", server_default=sa.text("'user-' || gen_random_uuid()"))


def downgrade() -> None:
    op.drop_column("users", "username")
