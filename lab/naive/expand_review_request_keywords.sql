-- Instead of: one revision that moves the arrays into tables, while old code still writes arrays
-- claim: answers 0: UPDATE review_requests SET keywords = '{new}'; SELECT count(*) FROM review_request_topics
--     WHERE topic_name = 'new'

CREATE TABLE topics (name text CONSTRAINT pk_topics PRIMARY KEY);

CREATE TABLE review_request_topics (
    review_request_id uuid CONSTRAINT fk_review_request_topics_review_request_id
        REFERENCES review_requests (id) ON DELETE CASCADE,
    topic_name text CONSTRAINT fk_review_request_topics_topic_name
        REFERENCES topics (name) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT pk_review_request_topics PRIMARY KEY (review_request_id, topic_name)
);

INSERT INTO topics SELECT DISTINCT keyword FROM review_requests, unnest(keywords) AS keyword WHERE keyword IS NOT NULL;

INSERT INTO review_request_topics
SELECT DISTINCT id, keyword FROM review_requests, unnest(keywords) AS keyword WHERE keyword IS NOT NULL;
