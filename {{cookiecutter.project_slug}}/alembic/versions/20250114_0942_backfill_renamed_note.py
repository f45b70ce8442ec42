"""Copy page_notes.note to page_notes.body in the rows that are older than the trigger: the backfill step.

Batches as in assign_user_roles. The trigger keeps the two columns equal in every row that is written. If
a row changes while its batch waits for it, the row is read again, so no write is lost.

Scenario: rename a column with no downtime, second step: fill the new column
Instead of: one UPDATE, which locks every row it has changed until the last one is done
Locks: page_notes ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which page_notes.body were NULL; the copies stay until the column goes
Deploy: while the old code runs
Needs: after expand_renamed_note; no trigger on page_notes sets updated_at; page_notes is not
    partitioned
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
                    blocks := pg_relation_size('page_notes') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM page_notes
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND body IS DISTINCT FROM note
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM page_notes
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM page_notes
                                WHERE ctid = ANY (batch) AND body IS DISTINCT FROM note
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE page_notes SET body = note WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_renamed_note: % of % blocks of page_notes',
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
        op.execute("ANALYZE page_notes (body)")


def downgrade() -> None:
    pass
