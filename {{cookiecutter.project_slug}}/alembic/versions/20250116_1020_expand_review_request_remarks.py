"""Create review_request_remarks, kept in step with the JSON array review_requests.remarks: the expand step.

Each element of the array becomes a row, and its place in the array the row's position. Old code writes
arrays, new code writes rows, and two triggers carry each write over. While one of them writes,
app.copying is on, and the other one does nothing: each has it in its SET clause, so it ends with the
function.

JSON keeps anything, a column does not. A page that is no number becomes NULL. An element that is no object
becomes a remark, as its text. What is no array has no row. Old code still finds all of it in
the array, until new code writes a remark of that request: then the array is made of the rows. So look for
members that have no column, and add one for each that counts:

    SELECT key, count(*) FROM review_requests, jsonb_path_query(remarks, '$[*] ? (@.type() == "object")')
    AS element, jsonb_object_keys(element) AS key GROUP BY key

An UPDATE of the array locks the request first. So should new code, by SELECT … FOR NO KEY UPDATE. If it does
not, and both write into the same request at once, one of them may be a deadlock's victim.

    expand    the table and two triggers; old code runs
    backfill  every element is a row; old code runs
    deploy    the new code uses the table; the old code may still run
    drop      no remarks and no trigger any more; only the new code runs

Scenario: turn the elements of a JSON array into rows of a child table while old code runs
Instead of: code that writes both forms, while the old code, which still runs, writes arrays only
Locks: review_requests ShareRowExclusiveLock; no rewrite, no scan
Rollback: loses review_request_remarks; review_requests.remarks has each of them
Deploy: while the code runs that knows remarks; the code that knows rows comes after the backfill; if it
    does not lock the request first, it may meet a deadlock (40P01)
Needs: review_requests.remarks is jsonb; elements that are objects of the two members
Adapt: table review_requests, key uuid, column remarks, new table review_request_remarks, columns
    review_request_id position page_number remark, members page text

Revision ID: fac2e49716bd
Revises: 2c482cb486bf
Create Date: 2025-01-16 10:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "fac2e49716bd"
down_revision = "2c482cb486bf"
branch_labels = None
depends_on = None

# SQL of the functions and triggers, exactly as in drop_review_request_remarks.
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
    op.create_table(
        "review_request_remarks",
        sa.Column("review_request_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("page_number", sa.Integer()),
        sa.Column("remark", sa.Text()),
        sa.PrimaryKeyConstraint("review_request_id", "position", name="pk_review_request_remarks"),
        sa.ForeignKeyConstraint(
            ["review_request_id"],
            ["review_requests.id"],
            name="fk_review_request_remarks_review_request_id",
            ondelete="CASCADE",
        ),
    )
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("LOCK TABLE review_requests, review_request_remarks IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER review_requests_to_rows ON review_requests")
    op.drop_table("review_request_remarks")
    op.execute("DROP FUNCTION review_requests_to_rows(), review_request_remarks_to_array()")
