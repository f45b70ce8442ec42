-- Instead of: leaving the index there: ALTER COLUMN … TYPE rebuilds it while no session can read or write
--     the table
-- claim: blocks reads of users while it builds idx_users_created_at

SET LOCAL TIME ZONE 'UTC';

ALTER TABLE users ALTER COLUMN created_at TYPE timestamptz;
