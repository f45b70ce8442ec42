"""Create webhooks: what autogenerate wrote, with the changes of a review.

The review added server defaults for id and is_active, so an INSERT need not name them. It
removed an index on is_active: nearly all of its values are true, so it does not help to find
the active ones.

Scenario: add a table, from a model
Instead of: committing what autogenerate wrote, unread
Locks: users ShareRowExclusiveLock (for the foreign key; writes to users wait until the commit)
Rollback: loses webhooks
Deploy: before the code that knows webhooks
Needs: nothing
Adapt: new table webhooks, key uuid, columns user_id name url events secret is_active created_at
    updated_at, table users, key uuid

Revision ID: 266b40b53474
Revises: 0437dd8cd305
Create Date: 2025-01-06 09:15:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "266b40b53474"
down_revision = "0437dd8cd305"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.String(255)),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_webhooks_user_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("idx_webhooks_user_id"), "webhooks", ["user_id"])


def downgrade() -> None:
    op.execute("LOCK TABLE users, webhooks IN ACCESS EXCLUSIVE MODE")
    op.drop_index(op.f("idx_webhooks_user_id"), table_name="webhooks")
    op.drop_table("webhooks")
