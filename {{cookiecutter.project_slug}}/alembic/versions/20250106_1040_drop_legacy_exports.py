"""Drop legacy_exports, which no code reads any more.

No other table refers to this one. Otherwise its foreign keys would have to be dropped first,
which locks both tables. The downgrade restores the table but not its rows: save them first
(pg_dump --table=legacy_exports).

Scenario: drop a table
Instead of: DROP TABLE … CASCADE, which also drops views and foreign keys that you forgot
Locks: legacy_exports AccessExclusiveLock
Rollback: loses legacy_exports
Deploy: after the code that uses it is gone
Needs: code that does not name the table; nothing that refers to it
Adapt: table legacy_exports, key integer, columns document_id exported_at, table documents, key uuid

Revision ID: 42429aad43c0
Revises: 29c899d1337f
Create Date: 2025-01-06 10:40:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "42429aad43c0"
down_revision = "29c899d1337f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("legacy_exports")


def downgrade() -> None:
    op.create_table(
        "legacy_exports",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("document_id", sa.Uuid()),
        sa.Column("exported_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_legacy_exports"),
    )
