"""Have subscribers find the rows of auth_providers by user_id and provider: the replica identity.

Logical replication names a row by its replica identity, which is the primary key where nothing is said.
The key of this table changes next. With another unique index as the identity the subscribers see one
change now, and none when the key is replaced: their tables want an index over these columns first.

The columns have to be NOT NULL, and the index unique, without WHERE and not deferrable. A table without any
such index has FULL, by which a subscriber compares all columns and reads its table for each row.

Scenario: set the replica identity of a table
Instead of: REPLICA IDENTITY FULL, with which each UPDATE and DELETE logs every column of the old row
Locks: auth_providers AccessExclusiveLock, uq_auth_providers_user_id_provider ShareLock; no rewrite, no scan
Rollback: lossless
Deploy: after the subscribers have the index
Needs: uq_auth_providers_user_id_provider on auth_providers; auth_providers.user_id is NOT NULL;
    auth_providers.provider is NOT NULL
Adapt: table auth_providers, columns user_id provider

Revision ID: 01349e2578d8
Revises: 8d8b31d333e2
Create Date: 2025-01-14 10:10:00.000000+00:00
"""

from alembic import op

revision = "01349e2578d8"
down_revision = "8d8b31d333e2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE auth_providers REPLICA IDENTITY USING INDEX uq_auth_providers_user_id_provider")


def downgrade() -> None:
    op.execute("ALTER TABLE auth_providers REPLICA IDENTITY DEFAULT")
