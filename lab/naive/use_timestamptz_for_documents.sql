-- Instead of: both tables in one transaction, which stalls both for as long as either lock is waited for
-- claim: blocks reads of users while it waits for documents

SET LOCAL TIME ZONE 'UTC';

ALTER TABLE users ALTER COLUMN created_at TYPE timestamptz, ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE documents ALTER COLUMN created_at TYPE timestamptz, ALTER COLUMN updated_at TYPE timestamptz;
