-- Instead of: ALTER COLUMN … TYPE timestamptz USING created_at AT TIME ZONE 'UTC', which rewrites the table
-- claim: rewrites users
-- claim: blocks reads of users while it rewrites users

ALTER TABLE users
    ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE 'UTC',
    ALTER COLUMN updated_at TYPE timestamptz USING updated_at AT TIME ZONE 'UTC';
