"""Merge the branches "dev" and "prod": one head again.

A merge changes only the version in the database: two rows of alembic_version become one. It
has two parents, as `alembic merge -m merge_dev_and_prod heads` writes them. Either branch may
have been applied first. If both changed the same thing, settle it here.

Scenario: merge two branches
Instead of: editing the down_revision of a revision that has already run on a database
Locks: none
Rollback: lossless
Deploy: at any time
Needs: two heads, which alembic merge joins by such a revision
Adapt: nothing

Revision ID: 4cccd73bc039
Revises: f38b01026799, da9040c27137
Create Date: 2025-01-12 09:15:00.000000+00:00
"""

revision = "4cccd73bc039"
down_revision = ("f38b01026799", "da9040c27137")
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
