"""Publish documents, so that another database can subscribe to its rows.

A publication sends rows, not the schema: the subscriber makes the table itself, and each later change of
the schema is made on both sides, a new column on the subscriber first and a dropped one on the publisher
first (docs/SCALE.md has all orders). In the other order the subscription stops at the next row, loses
nothing, and goes on once the subscriber fits.

From here on the table needs its primary key: without one, UPDATE and DELETE fail in the application. A
key is replaced in one transaction. Nothing is sent before the server has wal_level = logical, which takes
a restart; until then PostgreSQL says in a WARNING that it is not. The subscription is no revision: it
belongs to the other database, and has a password in it.

Scenario: publish a table for logical replication
Instead of: FOR ALL TABLES, which takes a superuser and sends every table, password hashes too
Locks: documents ShareUpdateExclusiveLock; no scan
Rollback: lossless
Deploy: before the subscription is made
Needs: a primary key on the table; a role that may create objects in the database
Adapt: table documents, name feed

Revision ID: 6f2b90c4d1e8
Revises: 1f3717bb1537
Create Date: 2025-01-18 09:00:00.000000+00:00
"""

from alembic import op

revision = "6f2b90c4d1e8"
down_revision = "1f3717bb1537"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE PUBLICATION feed FOR TABLE documents")


def downgrade() -> None:
    op.execute("DROP PUBLICATION feed")
