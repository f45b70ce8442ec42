-- Instead of: SET SCHEMA alone, after which every statement of running code fails
-- claim: breaks running code, 42P01: SELECT count(*) FROM review_shifts

CREATE SCHEMA archive;

ALTER TABLE review_shifts SET SCHEMA archive;
