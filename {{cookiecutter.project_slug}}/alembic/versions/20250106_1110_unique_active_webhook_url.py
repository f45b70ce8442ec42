"""Allow a user one active webhook for each url, and any number of inactive ones.

A unique constraint has no WHERE. A unique index can have one, and checks only the rows that
match it. If a duplicate was added since the last revision, the build fails. Then
`alembic downgrade -1` and `alembic upgrade head` deactivate that one too and build again. The
INVALID index is dropped first, as in index_document_tags. An entry of a B-tree holds some
2,700 bytes after compression: a longer url is refused from now on.

Scenario: make a column unique among some rows (partial unique index), without stopping writes
Instead of: a unique constraint over (user_id, url, is_active), which allows only one inactive webhook
Locks: webhooks ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: after the code that makes duplicates is gone
Needs: after deactivate_duplicate_webhooks
Adapt: table webhooks, columns user_id url is_active

Revision ID: 0cfe889a3fbc
Revises: c9c591e117c3
Create Date: 2025-01-06 11:10:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0cfe889a3fbc"
down_revision = "c9c591e117c3"
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


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "uq_webhooks_user_id_url_active",
            table_name="webhooks",
            if_exists=True,
            postgresql_concurrently=True,
        )
