-- Instead of: ALTER COLUMN TYPE varchar(60) after all, which rewrites the table in spite of the CHECK
-- claim: rewrites review_topics
-- claim: blocks reads of review_topics while it rewrites review_topics

ALTER TABLE review_topics VALIDATE CONSTRAINT ck_review_topics_name_length;

ALTER TABLE review_topics ALTER COLUMN name TYPE varchar(60);
