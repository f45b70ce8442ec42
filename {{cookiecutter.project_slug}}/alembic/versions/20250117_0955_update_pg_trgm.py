"""Update pg_trgm to the version that the server has installed.

A newer server brings newer files, and each database goes on with the old definitions until ALTER
EXTENSION UPDATE: pg_upgrade and a restore do not update them. To see what is behind:

    SELECT name, installed_version, default_version FROM pg_available_extensions
    WHERE installed_version <> default_version

The version is not named here: each server takes its own, and one that is there already does nothing.
Read the extension's notes first. Some updates change an operator's class, and want its indexes built
anew, concurrently. There is no way back to an older version.

Scenario: update an extension after an upgrade of the server
Instead of: dropping the extension and creating it again, which drops every index that uses it
Locks: none on existing tables
Rollback: lossless; the extension stays at its version
Deploy: at any time after the server's upgrade
Needs: a user who owns the extension
Adapt: nothing

Revision ID: 1f3717bb1537
Revises: e93f14bbcce9
Create Date: 2025-01-17 09:55:00.000000+00:00
"""

from alembic import op

revision = "1f3717bb1537"
down_revision = "e93f14bbcce9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER EXTENSION pg_trgm UPDATE")


def downgrade() -> None:
    pass
