"""Allow 150 characters in users.username instead of 50.

Every value of varchar(50) fits varchar(150) and is stored the same way. So PostgreSQL changes
one number in the catalogue; table and index stay as they are. But a valid CHECK on the column
is validated again, under the lock: on a big table, drop it first and add it again NOT VALID.

The other direction is expensive. PostgreSQL checks every value, rewrites the table and its
index under the exclusive lock, and cuts off blanks past the limit without a message. The
downgrade refuses if a value is too long.

Scenario: make a varchar column longer
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; refuses while a username is longer than 50; rewrites the table under AccessExclusiveLock
    (on a big live one leave the column as it is, and limit it by a CHECK … NOT VALID)
Deploy: before the code that writes longer names
Needs: users.username is character varying(50); no valid CHECK on users.username
Adapt: table users, column username

Revision ID: c16c3b40d858
Revises: 5c81cd51a659
Create Date: 2025-01-08 09:15:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "c16c3b40d858"
down_revision = "5c81cd51a659"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("users", "username", type_=sa.String(150))


def downgrade() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM users WHERE char_length(username) > 50) THEN
                RAISE EXCEPTION 'users.username holds names of more than 50 characters: shorten them first';
            END IF;
        END
        $$
    """)
    op.alter_column("users", "username", type_=sa.String(50))
