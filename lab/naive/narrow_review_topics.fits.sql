-- Instead of: ALTER COLUMN TYPE varchar(60), which fails on the first longer name, and rewrites the table
-- given: UPDATE review_topics SET name = left(name, 60)
-- claim: rewrites review_topics
-- claim: blocks reads of review_topics while it rewrites review_topics

ALTER TABLE review_topics ALTER COLUMN name TYPE varchar(60);
