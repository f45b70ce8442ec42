"""Give users.created_at and users.updated_at a time zone: timestamp becomes timestamptz.

Both types are stored as the same eight bytes, and in a session whose zone is UTC they mean
the same too: then PostgreSQL changes the catalogue only. In a session of another zone it
takes each moment for one of that zone's clock, writes every row anew, and moves it. USING
… AT TIME ZONE 'UTC' is right in any zone, but always writes every row. So the revision sets
the zone for its own transaction, and does not depend on the configuration.

That the old values are in UTC is for you to know: here they are, because database.py opens
every session in UTC. Code that writes times without a zone has to be such a session still.

Scenario: add a time zone to timestamps without a rewrite
Instead of: ALTER COLUMN … TYPE timestamptz USING created_at AT TIME ZONE 'UTC', which rewrites the table
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that takes either kind; Python refuses to compare one with the other
Needs: users.created_at is timestamp without time zone; users.updated_at is timestamp without time zone;
    no index on users.created_at; no index on users.updated_at; values that are in UTC; connections that
    prepare no statements
Adapt: table users, columns created_at updated_at

Revision ID: d68f509dcf7a
Revises: b3d06a1f52c8
Create Date: 2025-01-08 09:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "d68f509dcf7a"
down_revision = "b3d06a1f52c8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    op.alter_column("users", "created_at", type_=sa.DateTime(timezone=True))
    op.alter_column("users", "updated_at", type_=sa.DateTime(timezone=True))


def downgrade() -> None:
    op.execute("SET LOCAL TIME ZONE 'UTC'")
    op.alter_column("users", "created_at", type_=sa.DateTime())
    op.alter_column("users", "updated_at", type_=sa.DateTime())
