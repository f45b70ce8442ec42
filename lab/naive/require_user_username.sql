-- Instead of: SET NOT NULL alone, which scans all users while no session can read or write the table
-- claim: blocks reads of users while it scans users

ALTER TABLE users ALTER COLUMN username SET NOT NULL;
