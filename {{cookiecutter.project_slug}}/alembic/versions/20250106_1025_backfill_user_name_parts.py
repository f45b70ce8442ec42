"""Split the full names that are older than the trigger: the backfill step.

The UPDATE sets full_name to itself, and the trigger splits it. So the rule stands in one
place. The WHERE leaves out rows that have their parts already.

Each batch locks its rows in the order of their ids, updates them and commits. So no row is
locked for long, and after a crash the same command goes on where it stopped.

The table is read block by block, as it lies on the disk. In the order of random ids, each batch
would change blocks all over a large table, and after each checkpoint all of them would be in the
WAL again. Ten batches share some blocks: each changes some of the rows of a block, and the next
one writes where the old versions were. So the table grows by a seventh; if a batch took whole
blocks, it would double. Only an UPDATE of code moves a row to a block that was done. The trigger
fills it on the way, and where there is none, the second pass finds it.

Scenario: split a column in two, second step: fill the new columns
Instead of: split_part() in one UPDATE, which gives " Ada" an empty first name
Locks: users ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which users.first_name, users.last_name were NULL; the parts stay until the columns go
Deploy: before the code that reads the parts
Needs: after add_user_name_parts; no trigger on users sets updated_at; users is not partitioned
Adapt: table users, key uuid, columns full_name first_name last_name

Revision ID: 2bef6fc95906
Revises: 2c90f13e0c65
Create Date: 2025-01-06 10:25:00.000000+00:00
"""

from alembic import op

revision = "2bef6fc95906"
down_revision = "2c90f13e0c65"
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND full_name IS NOT NULL AND coalesce(first_name, last_name) IS NULL
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
                                WHERE ctid = ANY (batch)
                                    AND full_name IS NOT NULL AND coalesce(first_name, last_name) IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE users SET full_name = full_name WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_user_name_parts: % of % blocks of users',
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
        op.execute("ANALYZE users (first_name, last_name)")


def downgrade() -> None:
    pass
