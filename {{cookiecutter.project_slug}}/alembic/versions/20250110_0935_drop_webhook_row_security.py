"""Remove row security from webhooks.

In the opposite order: DISABLE, then DROP POLICY. Row security without a policy would hide all
rows. From now on each query must name the user itself.

Scenario: undo row security
Instead of: dropping the policy alone, which leaves the table looking empty
Locks: webhooks AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that names the user in every query
Needs: a policy of this name
Adapt: table webhooks, key uuid, column user_id

Revision ID: a3838bc0b681
Revises: 87cf85610cce
Create Date: 2025-01-10 09:35:00.000000+00:00
"""

from alembic import op

revision = "a3838bc0b681"
down_revision = "87cf85610cce"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE webhooks DISABLE ROW LEVEL SECURITY")
    op.execute("DROP POLICY own_webhooks ON webhooks")


def downgrade() -> None:
    op.execute("""
        CREATE POLICY own_webhooks ON webhooks
        USING (user_id = nullif(current_setting('app.user_id', true), '')::uuid)
    """)
    op.execute("ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY")
