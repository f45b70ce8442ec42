-- Instead of: DROP TABLE … CASCADE, which takes along whatever it finds
-- given: CREATE VIEW of_another AS SELECT desk FROM archive.review_shifts
-- claim: breaks running code, 42P01: SELECT count(*) FROM of_another

DROP TABLE archive.review_shifts CASCADE;
