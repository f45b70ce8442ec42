-- Instead of: SET NOT NULL alone, which reads all users while nobody can read or write them
-- claim: blocks reads of users while it scans users

ALTER TABLE users ALTER COLUMN username SET NOT NULL;
