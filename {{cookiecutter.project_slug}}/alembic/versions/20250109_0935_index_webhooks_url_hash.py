"""Index webhooks.url by its hash, for `url = '…'`.

A hash index keeps four bytes of each value, however long it is. A B-tree keeps the value, and
refuses one that takes more than a third of a page, some 2,700 bytes, after compression. A hash
index serves only `=`: no prefix, no order, no uniqueness, no second column. It is crash-safe
and replicated since PostgreSQL 10. (The B-tree of unique_active_webhook_url still refuses long
urls that are active; unique_webhook_url_of_any_length replaces it.)

Scenario: look up long values by equality
Instead of: a B-tree, as large as the texts, which limits how long they may be
Locks: webhooks ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time; before the code that looks up a webhook by its URL
Needs: nothing
Adapt: table webhooks, column url

Revision ID: 51848670bc63
Revises: d275a41c90cf
Create Date: 2025-01-09 09:35:00.000000+00:00
"""

from alembic import op

revision = "51848670bc63"
down_revision = "d275a41c90cf"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE webhooks IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_webhooks_url') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_webhooks_url RENAME TO idx_webhooks_url_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_webhooks_url_invalid", table_name="webhooks", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "idx_webhooks_url",
            "webhooks",
            ["url"],
            postgresql_using="hash",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("idx_webhooks_url", table_name="webhooks", if_exists=True, postgresql_concurrently=True)
