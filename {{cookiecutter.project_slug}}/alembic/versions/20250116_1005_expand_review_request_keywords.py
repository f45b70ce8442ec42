"""Create topics and review_request_topics, kept in step with review_requests.keywords: the expand step.

Each element of the array becomes a row that joins a request and a topic. Old code writes arrays, new code
writes rows, and two triggers carry each write over. A row changes the array by one element, and does
not make it anew: so two sessions that each add a topic at once both keep theirs, and an array
that the backfill has not reached yet loses nothing. A topic that new code renames is
renamed in the arrays, by ON UPDATE CASCADE.

Rows have no order, no NULL, and nothing twice. The array keeps those until the contract step. Where the order
counts, give the rows a position, as expand_review_request_remarks does. A topic is a key, so it may be
2,600 bytes long; a longer one is refused.

An UPDATE of the array locks the request first. So should new code, by SELECT … FOR NO KEY UPDATE. If it does
not, and both write the same topic into the same request at once, one of them is a deadlock's victim. And
new code moves no row to another request: it deletes the row, and inserts another.

    expand    two tables and two triggers; old code runs
    backfill  every keyword is a topic of its request; old code runs
    deploy    the new code uses the tables; the old code may still run
    drop      no keywords and no trigger any more; only the new code runs

Scenario: turn an array column into a table of its own (many-to-many) while old code runs
Instead of: one revision that moves the arrays into tables, while old code still writes arrays
Locks: review_requests ShareRowExclusiveLock; no rewrite, no scan
Rollback: loses topics and review_request_topics; review_requests.keywords has each topic that a request has
Deploy: while the code runs that knows keywords; a keyword that is too long is refused (54000); new code
    that does not lock the request first may meet a deadlock (40P01)
Needs: review_requests.keywords is text[]; arrays of one dimension
Adapt: table review_requests, key uuid, column keywords, new table topics, column name, new table
    review_request_topics, columns review_request_id topic_name

Revision ID: e9e509759b4e
Revises: 7d57b3349ae3
Create Date: 2025-01-16 10:05:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "e9e509759b4e"
down_revision = "7d57b3349ae3"
branch_labels = None
depends_on = None

# SQL of the functions and triggers, exactly as in drop_review_request_keywords.
TRIGGERS = (
    """
    CREATE OR REPLACE FUNCTION review_request_topics_to_keywords() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            UPDATE review_requests SET keywords = array_append(keywords, NEW.topic_name)
            WHERE id = NEW.review_request_id AND (NEW.topic_name = ANY (keywords)) IS NOT TRUE;
        ELSIF TG_OP = 'UPDATE' THEN
            UPDATE review_requests SET keywords = array_replace(keywords, OLD.topic_name, NEW.topic_name)
            WHERE id = NEW.review_request_id AND OLD.topic_name = ANY (keywords);
        ELSE
            UPDATE review_requests SET keywords = array_remove(keywords, OLD.topic_name)
            WHERE id = OLD.review_request_id AND OLD.topic_name = ANY (keywords);
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION review_requests_to_topics() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        INSERT INTO topics (name)
        SELECT DISTINCT keyword FROM unnest(NEW.keywords) AS keyword WHERE keyword IS NOT NULL
        ORDER BY keyword ON CONFLICT DO NOTHING;
        DELETE FROM review_request_topics WHERE review_request_id = NEW.id
            AND NOT EXISTS (SELECT FROM unnest(NEW.keywords) AS keyword WHERE keyword = topic_name);
        INSERT INTO review_request_topics (review_request_id, topic_name)
        SELECT DISTINCT NEW.id, keyword FROM unnest(NEW.keywords) AS keyword WHERE keyword IS NOT NULL
        ON CONFLICT DO NOTHING;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE OR REPLACE TRIGGER review_request_topics_to_keywords
    AFTER INSERT OR UPDATE OF topic_name OR DELETE ON review_request_topics
    FOR EACH ROW EXECUTE FUNCTION review_request_topics_to_keywords()
    """,
    """
    CREATE OR REPLACE TRIGGER review_requests_to_topics AFTER INSERT OR UPDATE OF keywords ON review_requests
    FOR EACH ROW EXECUTE FUNCTION review_requests_to_topics()
    """,
)


def upgrade() -> None:
    op.create_table(
        "topics",
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_topics"),
    )
    op.create_table(
        "review_request_topics",
        sa.Column("review_request_id", sa.Uuid(), nullable=False),
        sa.Column("topic_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("review_request_id", "topic_name", name="pk_review_request_topics"),
        sa.ForeignKeyConstraint(
            ["review_request_id"],
            ["review_requests.id"],
            name="fk_review_request_topics_review_request_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["topic_name"],
            ["topics.name"],
            name="fk_review_request_topics_topic_name",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
    )
    op.create_index("idx_review_request_topics_topic_name", "review_request_topics", ["topic_name"])
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("LOCK TABLE review_requests, topics, review_request_topics IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER review_requests_to_topics ON review_requests")
    op.drop_table("review_request_topics")
    op.drop_table("topics")
    op.execute("DROP FUNCTION review_requests_to_topics(), review_request_topics_to_keywords()")
