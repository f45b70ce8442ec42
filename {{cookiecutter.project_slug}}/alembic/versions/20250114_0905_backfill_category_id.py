"""Copy the ids to the new columns in the rows that nobody has written since: the backfill step.

The loop of all backfills, twice: first over categories, then over documents, each by its own key. The
order of the two does not matter: the new columns have no foreign key yet. A copy is no edit:
app.keep_updated_at tells the trigger of touch_updated_at to leave updated_at alone.

Scenario: change an integer primary key to bigint, with what refers to it: backfill
Instead of: one UPDATE, which locks every row it has changed until the last one is done
Locks: categories ShareUpdateExclusiveLock, documents ShareUpdateExclusiveLock (for ANALYZE, which stops no
    write); one batch of rows at a time
Rollback: loses which categories.new_id, categories.new_parent_id and documents.new_category_id were NULL;
    they stay until the columns go
Deploy: after expand_category_id
Needs: after expand_category_id; triggers that heed app.keep_updated_at, as that of touch_updated_at
    does; categories is not partitioned; documents is not partitioned
Adapt: table categories, key integer, columns new_id parent_id, table documents, key uuid, column category_id

Revision ID: 46e24200f339
Revises: 68534a16b35e
Create Date: 2025-01-14 09:05:00.000000+00:00
"""

from alembic import op

revision = "46e24200f339"
down_revision = "68534a16b35e"
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
                    blocks := pg_relation_size('categories') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM categories
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND new_id IS NULL
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM categories
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM categories
                                WHERE ctid = ANY (batch) AND new_id IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            PERFORM set_config('app.keep_updated_at', 'on', true);
                            UPDATE categories SET new_id = id, new_parent_id = parent_id
                            WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_category_id: % of % blocks of categories',
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
                    blocks := pg_relation_size('documents') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM documents
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND new_category_id IS DISTINCT FROM category_id
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM documents
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM documents
                                WHERE ctid = ANY (batch)
                                    AND new_category_id IS DISTINCT FROM category_id
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            PERFORM set_config('app.keep_updated_at', 'on', true);
                            UPDATE documents SET new_category_id = category_id WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'backfill_category_id: % of % blocks of documents',
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
        op.execute("ANALYZE categories (new_id, new_parent_id)")
        op.execute("ANALYZE documents (new_category_id)")


def downgrade() -> None:
    pass
