"""Drop review_requests.remarks and the triggers that kept it: the contract step.

The way back makes this file long. It adds the column, and the trigger that copies what new code writes.
Then batches make the arrays of the rows. The trigger for old code comes last: before, an array that is
not filled yet could take the place of its rows.

Scenario: drop a JSON array whose elements are rows now
Instead of: DROP COLUMN alone, which fails because a trigger names the column
Locks: review_requests AccessExclusiveLock, review_request_remarks AccessExclusiveLock; no rewrite, no scan
Rollback: loses what no row has of review_requests.remarks: other members, what is no object or no array
Deploy: after the code that knows remarks is gone
Needs: after backfill_review_request_remarks; review_requests.remarks is nullable; no index on
    review_requests.remarks; Alembic 1.16; connections that prepare no statements
Adapt: table review_requests, key uuid, column remarks, table review_request_remarks, columns
    review_request_id position page_number remark, members page text

Revision ID: df796e4b4d97
Revises: 002621316c68
Create Date: 2025-01-16 10:30:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "df796e4b4d97"
down_revision = "002621316c68"
branch_labels = None
depends_on = None

# SQL of the functions and triggers, exactly as in expand_review_request_remarks.
TRIGGERS = (
    """
    CREATE OR REPLACE FUNCTION review_request_remarks_to_array() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT SET app.copying = 'on' AS $$
    BEGIN
        PERFORM FROM review_requests WHERE id IN (OLD.review_request_id, NEW.review_request_id)
        ORDER BY id FOR NO KEY UPDATE;  -- so that the next statement sees the rows of every session
        UPDATE review_requests SET remarks = coalesce((
            SELECT jsonb_agg(jsonb_build_object('page', page_number, 'text', remark) ORDER BY position)
            FROM review_request_remarks WHERE review_request_id = review_requests.id
        ), '[]') WHERE id IN (OLD.review_request_id, NEW.review_request_id);
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION review_requests_to_rows() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT SET app.copying = 'on' AS $$
    BEGIN
        DELETE FROM review_request_remarks WHERE review_request_id = NEW.id;
        INSERT INTO review_request_remarks (review_request_id, position, page_number, remark)
        SELECT NEW.id, ordinality,
            CASE WHEN value ->> 'page' ~ '^[0-9]{1,9}$' THEN (value ->> 'page')::integer END,
            CASE jsonb_typeof(value) WHEN 'object' THEN value ->> 'text' ELSE value #>> '{}' END
        FROM jsonb_array_elements(
            CASE jsonb_typeof(NEW.remarks) WHEN 'array' THEN NEW.remarks ELSE '[]' END
        ) WITH ORDINALITY;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE OR REPLACE TRIGGER review_request_remarks_to_array
    AFTER INSERT OR UPDATE OR DELETE ON review_request_remarks
    FOR EACH ROW WHEN (current_setting('app.copying', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION review_request_remarks_to_array()
    """,
    """
    CREATE OR REPLACE TRIGGER review_requests_to_rows AFTER INSERT OR UPDATE OF remarks ON review_requests
    FOR EACH ROW WHEN (current_setting('app.copying', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION review_requests_to_rows()
    """,
)


def upgrade() -> None:
    op.execute("LOCK TABLE review_requests, review_request_remarks IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER review_requests_to_rows ON review_requests")
    op.execute("DROP TRIGGER review_request_remarks_to_array ON review_request_remarks")
    op.execute("DROP FUNCTION review_requests_to_rows(), review_request_remarks_to_array()")
    op.drop_column("review_requests", "remarks")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.add_column("review_requests", sa.Column("remarks", postgresql.JSONB()), if_not_exists=True)
        for statement in TRIGGERS[:-1]:
            op.execute(statement)
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
                            AND EXISTS (
                                SELECT FROM review_request_remarks
                                WHERE review_request_id = review_requests.id
                            )
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    PERFORM set_config('app.copying', 'on', true);
                    UPDATE review_requests SET remarks = (
                        SELECT jsonb_agg(
                            jsonb_build_object('page', page_number, 'text', remark) ORDER BY position
                        ) FROM review_request_remarks WHERE review_request_id = review_requests.id
                    ) WHERE id = ANY (batch);
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'drop_review_request_remarks: % review_requests',
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
        op.execute(TRIGGERS[-1])
