-- Instead of: ALTER COLUMN TYPE varchar(60), which fails on the first longer name, and rewrites the table
-- claim: fails 22001

ALTER TABLE review_topics ALTER COLUMN name TYPE varchar(60);
