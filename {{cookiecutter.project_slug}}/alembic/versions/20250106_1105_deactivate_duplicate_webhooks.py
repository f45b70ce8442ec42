"""Keep the oldest active webhook for each user and url, and deactivate the others.

No row is lost. A duplicate keeps its name, its secret and its events, and its owner can
activate it again when the other one is inactive. The oldest is always the same one, so a
second run decides as the first did.

All webhooks of a user are in one batch, because they are compared with one another. The batch
first locks those that have a duplicate, in the order of their ids. Then no other session can
activate or deactivate them, and the second statement looks which of them is the oldest active
one.

    deploy      the code looks for an active webhook before it adds one
    deactivate  one active webhook for each url; code that makes another is gone
    unique      the index; a second active webhook is refused (23505)

Scenario: resolve duplicates before a unique index, without deleting rows
Instead of: DELETE of all but one, which loses the names, secrets and events of the others
Locks: webhooks RowExclusiveLock, users AccessShareLock; one batch of rows at a time
Rollback: loses which webhooks.is_active were true
Deploy: after the code that looks for an active webhook before it adds one
Needs: webhooks.user_id refers to users; webhooks.is_active is boolean; no trigger on webhooks sets
    updated_at
Adapt: table webhooks, key uuid, columns user_id is_active url created_at, table users, key uuid

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
                batch_size integer := 1000;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'users'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM users ORDER BY id LIMIT 1);
                next_id uuid;
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    next_id := (
                        SELECT id FROM users WHERE id >= first_id ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    batch := ARRAY(
                        SELECT id FROM webhooks AS w
                        WHERE user_id >= first_id AND (next_id IS NULL OR user_id < next_id) AND is_active
                            AND EXISTS (
                                SELECT FROM webhooks
                                WHERE user_id = w.user_id AND url = w.url AND is_active AND id <> w.id
                            )
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    -- No other session can change them now: look again which are active.
                    UPDATE webhooks AS w SET is_active = false
                    WHERE id = ANY (batch) AND is_active AND EXISTS (
                        SELECT FROM webhooks
                        WHERE id = ANY (batch) AND user_id = w.user_id AND url = w.url AND is_active
                            AND (created_at, id) < (w.created_at, w.id)
                    );
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'deactivate_duplicate_webhooks: % users',
                        concat_ws(' of ', least(done, total), total);
                    first_id := next_id;
                    -- Next batch: as many rows as 50 ms allow. Pause: longer while a replica is behind.
                    took := extract(epoch FROM clock_timestamp() - started);
                    batch_size := least(2 * batch_size, greatest(100, 0.05 / took * batch_size));
                    PERFORM pg_sleep(took * CASE WHEN EXISTS (
                        SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                    ) THEN 10 ELSE 0.1 END);
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
