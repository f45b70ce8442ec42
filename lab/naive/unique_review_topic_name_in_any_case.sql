-- Instead of: UNIQUE (name), which accepts each name again in capitals
-- claim: accepts: INSERT INTO review_topics (name) SELECT upper(name) FROM review_topics WHERE name LIKE 'Topic%' LIMIT 1

ALTER TABLE review_topics ADD CONSTRAINT uq_review_topics_name UNIQUE (name);
