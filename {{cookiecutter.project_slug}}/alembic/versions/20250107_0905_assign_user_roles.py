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
Needs: after create_roles; no trigger on users sets updated_at; users is not partitioned
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
                blocks bigint;
                block bigint;
                step bigint;
                first_ctid tid;
                next_ctid tid;
                tids tid[];
                batch tid[];
                found_rows bigint;
                started timestamptz;
                took double precision;
            BEGIN
                -- Again, if running code has moved a row to a block that was done.
                FOR pass IN 1..3 LOOP
                    blocks := pg_relation_size('users') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM users
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND role_id IS NULL
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM users
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM users
                                WHERE ctid = ANY (batch) AND role_id IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE users SET role_id = 2 WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'assign_user_roles: % of % blocks of users',
                            least(block, blocks), blocks;
                        -- A batch may take 50 ms. Pause: longer while a replica is behind.
                        took := extract(epoch FROM clock_timestamp() - started);
                        step := greatest(1, least(2 * step, 4000, 0.5 / took * step));
                        PERFORM pg_sleep(took * CASE WHEN EXISTS (
                            SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                        ) THEN 10 ELSE 0.1 END);
                    END LOOP;
                    EXIT WHEN found_rows = 0;
                END LOOP;
            END
            $$
        """)
        op.execute("ANALYZE users (role_id)")


def downgrade() -> None:
    pass
