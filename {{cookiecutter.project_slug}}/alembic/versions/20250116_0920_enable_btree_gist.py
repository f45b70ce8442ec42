"""Enable btree_gist, with which a GiST index holds plain types beside ranges.

An exclusion constraint says "the same desk and overlapping times": one GiST index over both
columns. GiST has operator classes for ranges; this extension brings those for texts and numbers. It
is trusted: a role that may create in the database may enable it. (PostgreSQL 18 has PRIMARY KEY
(desk, during WITHOUT OVERLAPS), which needs it too.)

    deploy   the code expects that a desk may be taken
    enable   the extension
    exclude  the constraint; a shift that overlaps another at its desk is refused (23P01)

Scenario: enable GiST for plain types
Instead of: an exclusion constraint alone, which fails because text has no operator class for GiST
Locks: none on existing tables
Rollback: lossless; also drops btree_gist if it was there before this revision
Deploy: before the revision that uses it; the server must have it installed (package postgresql-contrib)
Needs: a user who may create an extension
Adapt: nothing

Revision ID: a9d11628669a
Revises: 96151849cde1
Create Date: 2025-01-16 09:20:00.000000+00:00
"""

from alembic import op

revision = "a9d11628669a"
down_revision = "96151849cde1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")


def downgrade() -> None:
    op.execute("DROP EXTENSION IF EXISTS btree_gist")
