"""Let users see and write only their own webhooks, even if a query forgets its WHERE.

The policy reads a setting, so all users share one role and one pool of connections. Each
transaction begins with `SELECT set_config('app.user_id', :id, true)`, which ends with it.
(After that the setting is '' rather than unset, so nullif() makes it NULL.) Without the
setting no row is visible. USING without WITH CHECK also decides which rows may be written.

The policy comes before ENABLE, because row security without a policy hides every row. It does
not bind the table's owner, superusers and roles with BYPASSRLS. So migrations and pg_dump see
all rows, and the application must connect as another role. FORCE would bind the owner too, and
its backfills would update nothing and report success.

Scenario: separate the rows of tenants in the database
Instead of: WHERE user_id = … in every query, until one query forgets it
Locks: webhooks AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that sets app.user_id, running as a role that does not own the table
Needs: code that sets app.user_id in each transaction, and does not own the table
Adapt: table webhooks, key uuid, column user_id

Revision ID: 87cf85610cce
Revises: de0b582e1f22
Create Date: 2025-01-10 09:30:00.000000+00:00
"""

from alembic import op

revision = "87cf85610cce"
down_revision = "de0b582e1f22"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE POLICY own_webhooks ON webhooks
        USING (user_id = nullif(current_setting('app.user_id', true), '')::uuid)
    """)
    op.execute("ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("ALTER TABLE webhooks DISABLE ROW LEVEL SECURITY")
    op.execute("DROP POLICY own_webhooks ON webhooks")
