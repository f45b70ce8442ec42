-- Instead of: DROP SCHEMA archive CASCADE, which takes along what others have put there
-- given: CREATE TABLE archive.of_another (id integer)
-- claim: breaks running code, 42P01: SELECT count(*) FROM archive.of_another

DROP SCHEMA archive CASCADE;
