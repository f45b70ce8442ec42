"""Give every user who has no role the role "user": the backfill step.

Batches of rows, each committed by itself: no row stays locked for longer than its batch
takes, and autovacuum can clear the old row versions on the way. A batch grows or shrinks to what
is done in 50 ms, on any machine and under any load. Then comes a pause of a tenth of that, or of
ten times that while a replica is 5 seconds behind (who may not see the replicas, by pg_monitor,
has the short one). Only rows without a role
are changed, so after a crash the same command goes on where it stopped. It is the server
that does the work, so psql can run the same text.

A batch locks its rows in the order of their ids before it changes any. Code that changes two
rows in that order may have to wait, but never deadlocks with it. Where a row is locked by
others, the condition is looked at again when they let go. The last batch over, ANALYZE tells
the planner what the column holds now. `total` is an estimate, because counting reads it all.

(Where the value is the same for every row, as here, ADD COLUMN … DEFAULT 2 NOT NULL does
without a backfill: see add_document_priority. Put your own expression behind SET.)

Scenario: fill a column of a big live table
Instead of: one UPDATE, which locks every row it has changed until the last one is done
Locks: users ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which users.role_id were NULL; the roles stay until the column goes
Deploy: after the column has its default, so that no new user is without a role
Needs: after create_roles; no trigger on users sets updated_at
Adapt: table users, key uuid, column role_id

Revision ID: 3b7954895765
Revises: 9db0b2aa85b7
Create Date: 2025-01-07 09:05:00.000000+00:00
"""

from alembic import op

revision = "3b7954895765"
down_revision = "9db0b2aa85b7"
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
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id) AND role_id IS NULL
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    UPDATE users SET role_id = 2 WHERE id = ANY (batch);
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'assign_user_roles: % users',
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
        op.execute("ANALYZE users (role_id)")


def downgrade() -> None:
    pass
