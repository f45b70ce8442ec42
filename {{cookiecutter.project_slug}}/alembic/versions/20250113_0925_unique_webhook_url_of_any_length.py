"""Make the url of a user's active webhooks unique by its hash, however long it is.

An entry of a B-tree holds some 2,700 bytes after compression. So unique_active_webhook_url
refused longer urls, although the column and index_webhooks_url_hash accept them. A hash index
cannot be unique, but a B-tree over a hash can. md5() is immutable, as an index requires. Two
urls with the same hash can be made on purpose, but then only the second webhook of the same
user is refused.

The new index is complete before the old one is dropped, so the rule always holds.

Scenario: make long values unique
Instead of: a UNIQUE over the text itself, which refuses what is longer than a third of a page
Locks: webhooks ShareUpdateExclusiveLock; reads the table twice, and a sample of it
Rollback: lossless; refuses while an active url is longer than 2600 bytes
Deploy: at any time; code with ON CONFLICT (user_id, url) must use (user_id, md5(url)) from now on
Needs: uq_webhooks_user_id_url_active on webhooks
Adapt: table webhooks, columns user_id url is_active

Revision ID: 5ae6e697479a
Revises: d51e7c496bc6
Create Date: 2025-01-13 09:25:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "5ae6e697479a"
down_revision = "d51e7c496bc6"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_webhooks_user_id_url_hash_active') AND NOT indisvalid
                ) THEN
                    ALTER INDEX uq_webhooks_user_id_url_hash_active RENAME TO uq_webhooks_user_id_url_hash_active_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "uq_webhooks_user_id_url_hash_active_invalid",
            table_name="webhooks",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "uq_webhooks_user_id_url_hash_active",
            "webhooks",
            ["user_id", sa.text("md5(url)")],
            unique=True,
            postgresql_where=sa.text("is_active"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.execute("ANALYZE webhooks")
        op.drop_index(
            "uq_webhooks_user_id_url_active",
            table_name="webhooks",
            if_exists=True,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF EXISTS (SELECT FROM webhooks WHERE is_active AND octet_length(url) > 2600) THEN
                    RAISE EXCEPTION 'webhooks has active urls that are too long for the index: shorten them first';
                END IF;
            END
            $$
        """)
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE webhooks IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_webhooks_user_id_url_active') AND NOT indisvalid
                ) THEN
                    ALTER INDEX uq_webhooks_user_id_url_active RENAME TO uq_webhooks_user_id_url_active_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "uq_webhooks_user_id_url_active_invalid",
            table_name="webhooks",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "uq_webhooks_user_id_url_active",
            "webhooks",
            ["user_id", "url"],
            unique=True,
            postgresql_where=sa.text("is_active"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(
            "uq_webhooks_user_id_url_hash_active",
            table_name="webhooks",
            if_exists=True,
            postgresql_concurrently=True,
        )
