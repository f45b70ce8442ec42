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
Needs: after expand_category_id; triggers that heed app.keep_updated_at, as that of touch_updated_at does
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
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'categories'::regclass AND reltuples > 0
                );
                first_id integer := (SELECT id FROM categories ORDER BY id LIMIT 1);
                ids integer[];
                batch integer[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM categories
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
                        UPDATE categories SET new_id = id, new_parent_id = parent_id
                        WHERE id = ANY (batch) AND new_id IS NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'backfill_category_id: % categories',
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
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'documents'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM documents ORDER BY id LIMIT 1);
                ids uuid[];
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM documents
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
                        UPDATE documents SET new_category_id = category_id
                        WHERE id = ANY (batch) AND new_category_id IS DISTINCT FROM category_id;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'backfill_category_id: % documents',
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
        op.execute("ANALYZE categories (new_id, new_parent_id)")
        op.execute("ANALYZE documents (new_category_id)")


def downgrade() -> None:
    pass
