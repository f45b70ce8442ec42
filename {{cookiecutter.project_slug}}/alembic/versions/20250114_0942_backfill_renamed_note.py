"""Copy page_notes.note to page_notes.body in the rows that are older than the trigger: the backfill step.

Batches as in assign_user_roles. The trigger keeps the two columns equal in every row that is written. If
a row changes while its batch waits for it, the row is read again, so no write is lost.

Scenario: rename a column with no downtime, second step: fill the new column
Instead of: one UPDATE, which locks every row it has changed until the last one is done
Locks: page_notes ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which page_notes.body were NULL; the copies stay until the column goes
Deploy: while the old code runs
Needs: after expand_renamed_note; no trigger on page_notes sets updated_at
Adapt: table page_notes, key integer, columns note body

Revision ID: 905ad1c5e26a
Revises: 93ace0afca59
Create Date: 2025-01-14 09:42:00.000000+00:00
"""

from alembic import op

revision = "905ad1c5e26a"
down_revision = "93ace0afca59"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'page_notes'::regclass AND reltuples > 0
                );
                first_id integer := (SELECT id FROM page_notes ORDER BY id LIMIT 1);
                ids integer[];
                batch integer[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM page_notes
                        WHERE id >= first_id ORDER BY id LIMIT 10 * batch_size + 1
                    );
                    first_id := ids[10 * batch_size + 1];
                    -- Ten batches, each of every tenth row: a batch reuses the space of the one before.
                    FOR part IN 1..10 LOOP
                        batch := ARRAY(SELECT ids[n] FROM generate_series(part, 10 * batch_size, 10) AS n);
                        -- An index scan locks the rows in the order of their ids, as code does.
                        SET LOCAL enable_seqscan = off;
                        SET LOCAL enable_bitmapscan = off;
                        UPDATE page_notes SET body = note
                        WHERE id = ANY (batch) AND body IS DISTINCT FROM note;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'backfill_renamed_note: % page_notes',
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
        op.execute("ANALYZE page_notes (body)")


def downgrade() -> None:
    pass
