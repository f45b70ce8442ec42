"""Give every user the provider "local", with the hash of their password: the backfill step.

The server copies the hashes from table to table. They do not pass through Python and stand in
no statement, so none can reach a log. If a password changes meanwhile, the trigger makes the
row, and ON CONFLICT leaves it alone. FOR KEY SHARE skips users that are deleted meanwhile.
Code can update the others; only a change of an email or a username waits for the batch. The
new ids are made from the users' ids, so every run gives the same rows.

Scenario: copy secrets from one table to another
Instead of: reading them into Python, from where they get into echoed SQL, tracebacks and memory dumps
Locks: auth_providers RowExclusiveLock, users RowExclusiveLock; one batch of rows at a time
Rollback: loses which rows of auth_providers were moved; both places have every hash
Deploy: after create_auth_providers; before the code that reads auth_providers or deletes from it
Needs: after create_auth_providers; key uuid, because the ids are made by md5(); users.created_at is
    timestamp without time zone
Adapt: table users, key uuid, columns password created_at, table auth_providers, key uuid, columns
    user_id provider credentials created_at, label local

Revision ID: f9b2fe528e5c
Revises: 4bb17fb4df05
Create Date: 2025-01-07 10:00:00.000000+00:00
"""

from alembic import op

revision = "f9b2fe528e5c"
down_revision = "4bb17fb4df05"
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
                        SELECT id FROM users
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id) AND password <> '!'
                        ORDER BY id FOR KEY SHARE
                    );
                    INSERT INTO auth_providers (id, user_id, provider, credentials, created_at)
                    SELECT md5('local ' || id)::uuid, id, 'local', password, created_at AT TIME ZONE 'UTC'
                    FROM users WHERE id = ANY (batch) AND password <> '!' ORDER BY id
                    ON CONFLICT (user_id, provider) DO NOTHING;
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'move_password_hashes: % users',
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
