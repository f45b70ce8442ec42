-- Instead of: RENAME COLUMN, after which the old code, which still runs, fails (42703)
-- claim: breaks running code, 42703: SELECT note FROM page_notes LIMIT 1

ALTER TABLE page_notes RENAME COLUMN note TO body;
