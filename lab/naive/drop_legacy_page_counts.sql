-- Instead of: DROP TABLE … CASCADE, which takes along the views that still read it
-- given: CREATE VIEW long_ones AS SELECT document_id FROM legacy_page_counts_retired WHERE pages > 100
-- claim: breaks running code, 42P01: SELECT count(*) FROM long_ones

DROP TABLE legacy_page_counts_retired CASCADE;
