-- Instead of: leaving the index there: ALTER COLUMN … TYPE builds it anew while nobody can read or write
-- claim: blocks reads of users while it builds idx_users_created_at

SET LOCAL TIME ZONE 'UTC';

ALTER TABLE users ALTER COLUMN created_at TYPE timestamptz;
