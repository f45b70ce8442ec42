-- Instead of: both tables in one transaction, which stalls both of them while it waits for one lock
-- claim: blocks reads of users while it waits for documents

SET LOCAL TIME ZONE 'UTC';

ALTER TABLE users ALTER COLUMN created_at TYPE timestamptz, ALTER COLUMN updated_at TYPE timestamptz;

ALTER TABLE documents ALTER COLUMN created_at TYPE timestamptz, ALTER COLUMN updated_at TYPE timestamptz;
