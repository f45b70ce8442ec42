"""Give every user who has no role the role "user": the backfill step.

The batches are committed one by one. So a row is locked only while its batch runs, and
autovacuum can remove old row versions meanwhile. The batch size adapts until a batch takes
50 ms, on any machine and under any load. The pause after a batch is a tenth of its time, or
ten times its time while a replica is more than 5 seconds behind. (Only a role with pg_monitor
sees the replicas; another role always has the short pause.) Only rows without a role are
changed, so after a crash the same command goes on where it stopped. The server does the work,
so psql can run it.

A batch locks its rows in the order of their ids before it changes any. Code that changes two
rows in that order may have to wait, but cannot deadlock with it. If another session has locked
a row, the condition is checked again after that lock is released. At the end, ANALYZE updates
the planner's statistics of the column. `total` is an estimate, because counting scans the
table.

(Here every row gets the same value, so ADD COLUMN … DEFAULT 2 NOT NULL would do without a
backfill: see add_document_priority. Put your own expression after SET.)

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
                        UPDATE users SET role_id = 2
                        WHERE id = ANY (batch) AND role_id IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'assign_user_roles: % users',
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
        op.execute("ANALYZE users (role_id)")


def downgrade() -> None:
    pass
