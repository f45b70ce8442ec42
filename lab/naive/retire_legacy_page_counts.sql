-- Instead of: DROP TABLE as soon as nobody seems to use it, which breaks the code of whoever does
-- claim: breaks running code, 42P01: SELECT sum(pages) FROM legacy_page_counts

DROP TABLE legacy_page_counts;
