-- Instead of: REPLICA IDENTITY FULL, with which each UPDATE and DELETE logs every column of the old row
-- claim: answers f: SELECT relreplident FROM pg_class WHERE relname = 'auth_providers'

ALTER TABLE auth_providers REPLICA IDENTITY FULL;
