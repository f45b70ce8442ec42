-- Instead of: DROP TABLE as soon as it seems unused, which breaks code that was forgotten
-- claim: breaks running code, 42P01: SELECT sum(pages) FROM legacy_page_counts

DROP TABLE legacy_page_counts;
