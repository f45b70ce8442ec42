"""Backfill users.new_email for the users that are older than its trigger: the backfill step.

Batches as in assign_user_roles. A copy is no edit, so app.keep_updated_at tells the trigger of
touch_updated_at to leave updated_at alone. It is set for one transaction at a time: it ends
with the batch, and does not stay in the session.

Scenario: replace a column with no downtime, second step: fill the new column
Instead of: one UPDATE, which locks every row and makes every user look edited today
Locks: users ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which users.new_email were NULL; the copies stay until the column goes
Deploy: while the first code runs
Needs: after expand_user_email; triggers that obey app.keep_updated_at, as that of touch_updated_at
    does; users is not partitioned
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND new_email IS NULL
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
                                WHERE ctid = ANY (batch) AND new_email IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            PERFORM set_config('app.keep_updated_at', 'on', true);
                            UPDATE users SET new_email = email WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_user_email: % of % blocks of users',
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
        op.execute("ANALYZE users (new_email)")


def downgrade() -> None:
    pass
