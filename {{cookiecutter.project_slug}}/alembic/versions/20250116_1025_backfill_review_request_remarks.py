"""Make a row of each element of the arrays that are older than the trigger: the backfill step.

app.copying keeps the trigger from writing each array anew while its rows come in; it is set for one
transaction at a time. A request that has a row already is left alone: the trigger has made its rows.

Scenario: fill a child table from the elements of JSON arrays
Instead of: jsonb_to_recordset() over all rows, which stops at the first value that is no array of objects
Locks: review_requests RowShareLock, review_request_remarks RowExclusiveLock; one batch of rows at a time
Rollback: loses which review_request_remarks came from here; both places have every remark
Deploy: after expand_review_request_remarks; before the code that knows rows
Needs: after expand_review_request_remarks
Adapt: table review_requests, key uuid, column remarks, table review_request_remarks, columns
    review_request_id position page_number remark, members page text

Revision ID: 002621316c68
Revises: fac2e49716bd
Create Date: 2025-01-16 10:25:00.000000+00:00
"""

from alembic import op

revision = "002621316c68"
down_revision = "fac2e49716bd"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 1000;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'review_requests'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM review_requests ORDER BY id LIMIT 1);
                next_id uuid;
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    next_id := (
                        SELECT id FROM review_requests WHERE id >= first_id
                        ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    batch := ARRAY(
                        SELECT id FROM review_requests
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id)
                            AND jsonb_typeof(remarks) = 'array' AND NOT EXISTS (
                                SELECT FROM review_request_remarks
                                WHERE review_request_id = review_requests.id
                            )
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    PERFORM set_config('app.copying', 'on', true);
                    INSERT INTO review_request_remarks (review_request_id, position, page_number, remark)
                    SELECT id, ordinality,
                        CASE WHEN value ->> 'page' ~ '^[0-9]{1,9}$' THEN (value ->> 'page')::integer END,
                        CASE jsonb_typeof(value) WHEN 'object' THEN value ->> 'text' ELSE value #>> '{}' END
                    FROM review_requests, jsonb_array_elements(remarks) WITH ORDINALITY
                    WHERE id = ANY (batch) ORDER BY id, ordinality;
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'backfill_review_request_remarks: % review_requests',
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


def downgrade() -> None:
    pass
