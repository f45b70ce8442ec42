"""Split the full names that are older than the trigger: the backfill step.

The UPDATE sets full_name to itself, and the trigger splits it. So the rule stands in one
place. The WHERE leaves out rows that have their parts already.

Each batch changes its rows in the order of their ids and commits. So no row is locked for long,
code that changes two rows in this order is in no deadlock with it, and after a crash the same
command goes on where it stopped. An index on a column that is filled is built afterwards: with
it the server could take the rows in another order.

Ten batches share a range of ids. Where new rows have higher ids, each of the ten changes a tenth
of the rows of a page, and the next one writes where the old versions were. So the table grows by
a seventh at most. If each batch took whole pages, it would be twice as large in the end.

Scenario: split a column in two, second step: fill the new columns
Instead of: split_part() in one UPDATE, which gives " Ada" an empty first name
Locks: users ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which users.first_name, users.last_name were NULL; the parts stay until the columns go
Deploy: before the code that reads the parts
Needs: after add_user_name_parts; no trigger on users sets updated_at
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
                        UPDATE users SET full_name = full_name
                        WHERE id = ANY (batch)
                            AND full_name IS NOT NULL AND coalesce(first_name, last_name) IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'backfill_user_name_parts: % users',
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
        op.execute("ANALYZE users (first_name, last_name)")


def downgrade() -> None:
    pass
