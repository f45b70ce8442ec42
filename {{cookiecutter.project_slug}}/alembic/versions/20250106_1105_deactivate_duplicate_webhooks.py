"""Leave a user one active webhook for each url, the oldest, and switch the others off.

No row is lost: a duplicate keeps its name, its secret and its events, and its owner can
switch it on again once the other is off. The oldest is the same one whatever has been
done already, so batches and repeated runs all agree on it.

Scenario: resolve duplicates before a unique index, without deleting rows
Instead of: DELETE of all but one, and of what only they knew
Locks: webhooks RowExclusiveLock; one batch of rows at a time
Rollback: loses which webhooks.is_active were true
Deploy: after the code that looks for an active webhook before it adds one

Revision ID: c9c591e117c3
Revises: 9f8c38a89680
Create Date: 2025-01-06 11:05:00.000000+00:00
"""

from alembic import op

revision = "c9c591e117c3"
down_revision = "9f8c38a89680"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size CONSTANT integer := 5000;
                total CONSTANT bigint := (SELECT count(*) FROM webhooks);
                first_id uuid := (SELECT id FROM webhooks ORDER BY id LIMIT 1);
                next_id uuid;
                done bigint := 0;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    next_id := (
                        SELECT id FROM webhooks WHERE id >= first_id ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    UPDATE webhooks SET is_active = false
                    WHERE id >= first_id AND (next_id IS NULL OR id < next_id) AND is_active
                        AND EXISTS (
                            SELECT FROM webhooks AS older
                            WHERE older.user_id = webhooks.user_id AND older.url = webhooks.url
                                AND older.is_active
                                AND (older.created_at, older.id) < (webhooks.created_at, webhooks.id)
                        );
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'deactivate_duplicate_webhooks: % of % webhooks', least(done, total), total;
                    first_id := next_id;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
