"""Give users.created_at and users.updated_at a time zone: timestamp becomes timestamptz.

Both types are stored as the same eight bytes. In a session whose time zone is UTC they also
mean the same, so PostgreSQL changes only the catalogue. In another time zone PostgreSQL reads
each value as local time: that moves every instant and rewrites the table. USING … AT TIME ZONE
'UTC' is right in every time zone, but always rewrites the table. So the revision sets the time
zone for its own transaction.

You must know that the old values are in UTC. Here they are, because database.py opens every
session in UTC. Code that writes times without a zone must still use such a session.

Scenario: add a time zone to timestamps without a rewrite
Instead of: ALTER COLUMN … TYPE timestamptz USING created_at AT TIME ZONE 'UTC', which rewrites the table
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that accepts both types; Python refuses to compare a datetime that has
    a zone with one that has none
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
