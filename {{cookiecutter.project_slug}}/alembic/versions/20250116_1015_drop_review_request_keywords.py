"""Drop review_requests.keywords and the triggers that kept it: the contract step.

The way back makes this file long. It adds the column, and the trigger that copies what new code writes.
Then batches make the arrays of the rows, in the order of the names. The trigger for old code comes last:
before its array is filled, a request that gets a keyword would lose its other topics.

Scenario: drop an array whose elements live in a table now
Instead of: DROP COLUMN alone, which fails because a trigger names the column
Locks: review_requests AccessExclusiveLock, review_request_topics AccessExclusiveLock; no rewrite, no scan
Rollback: loses the order of review_requests.keywords, its NULLs, what was in it twice, and which were empty
Deploy: after the code that knows keywords is gone
Needs: after backfill_review_request_topics; review_requests.keywords is nullable; no index on
    review_requests.keywords; Alembic 1.16; connections that prepare no statements
Adapt: table review_requests, key uuid, column keywords, table topics, column name, table
    review_request_topics, columns review_request_id topic_name

Revision ID: 2c482cb486bf
Revises: dc069e04c436
Create Date: 2025-01-16 10:15:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2c482cb486bf"
down_revision = "dc069e04c436"
branch_labels = None
depends_on = None

# SQL of the functions and triggers, exactly as in expand_review_request_keywords.
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
    op.execute("LOCK TABLE review_requests, review_request_topics IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER review_requests_to_topics ON review_requests")
    op.execute("DROP TRIGGER review_request_topics_to_keywords ON review_request_topics")
    op.execute("DROP FUNCTION review_requests_to_topics(), review_request_topics_to_keywords()")
    op.drop_column("review_requests", "keywords")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.add_column(
            "review_requests", sa.Column("keywords", postgresql.ARRAY(sa.Text())), if_not_exists=True
        )
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
                                SELECT FROM review_request_topics WHERE review_request_id = review_requests.id
                            )
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    UPDATE review_requests SET keywords = ARRAY(
                        SELECT topic_name FROM review_request_topics
                        WHERE review_request_id = review_requests.id ORDER BY topic_name
                    ) WHERE id = ANY (batch);
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'drop_review_request_keywords: % review_requests',
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
