"""Backfill users.new_email for the users that are older than its trigger: the backfill step.

Batches as in assign_user_roles. A copy is no edit, so app.keep_updated_at tells the trigger of
touch_updated_at to leave updated_at alone. It is set for one transaction at a time: it ends
with the batch, and does not stay in the session.

Scenario: replace a column with no downtime, second step: fill the new column
Instead of: one UPDATE, which locks every row and makes every user look edited today
Locks: users ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which users.new_email were NULL; the copies stay until the column goes
Deploy: while the first code runs
Needs: after expand_user_email; triggers that obey app.keep_updated_at, as that of touch_updated_at does
Adapt: table users, key uuid, column email

Revision ID: f3d4dfcebecf
Revises: d647f61ec8a9
Create Date: 2025-01-11 09:05:00.000000+00:00
"""

from alembic import op

revision = "f3d4dfcebecf"
down_revision = "d647f61ec8a9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'users'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM users ORDER BY id LIMIT 1);
                ids uuid[];
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM users
                        WHERE id >= first_id ORDER BY id LIMIT 10 * batch_size + 1
                    );
                    first_id := ids[10 * batch_size + 1];
                    -- Ten batches, each of every tenth row: a batch reuses the space of the one before.
                    FOR part IN 1..10 LOOP
                        batch := ARRAY(SELECT ids[n] FROM generate_series(part, 10 * batch_size, 10) AS n);
                        -- An index scan locks the rows in the order of their ids, as code does.
                        SET LOCAL enable_seqscan = off;
                        SET LOCAL enable_bitmapscan = off;
                        PERFORM set_config('app.keep_updated_at', 'on', true);
                        UPDATE users SET new_email = email
                        WHERE id = ANY (batch) AND new_email IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'backfill_user_email: % users',
                        concat_ws(' of ', least(done, total), total);
                    -- A batch has as many rows as 50 ms allow. Pause: longer while a replica is behind.
                    took := extract(epoch FROM clock_timestamp() - started);
                    batch_size := least(2 * batch_size, greatest(100, 0.5 / took * batch_size));
                    PERFORM pg_sleep(took * CASE WHEN EXISTS (
                        SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                    ) THEN 10 ELSE 0.1 END);
                END LOOP;
            END
            $$
        """)
        op.execute("ANALYZE users (new_email)")


def downgrade() -> None:
    pass
