-- Instead of: DROP VIEW … CASCADE, which also drops every view that is built on it
-- given: CREATE VIEW long_pages AS SELECT id FROM doc_pages WHERE length(text) > 1000
-- claim: breaks running code, 42P01: SELECT count(*) FROM long_pages

DROP VIEW doc_pages CASCADE;
