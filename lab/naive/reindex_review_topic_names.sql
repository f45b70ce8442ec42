-- Instead of: REFRESH VERSION alone, which ends the warning and leaves the index as it was
-- given: CREATE TABLE index_before AS SELECT pg_relation_filenode('uq_review_topics_name_lower') AS file
-- claim: answers 1: SELECT count(*) FROM index_before WHERE file = pg_relation_filenode('uq_review_topics_name_lower')

DO $$ BEGIN EXECUTE format('ALTER DATABASE %I REFRESH COLLATION VERSION', current_database()); END $$;
