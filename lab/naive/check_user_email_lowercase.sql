-- Instead of: ADD CHECK, which reads all users while nobody can read or write, and fails on the first old row
-- claim: blocks reads of users while it scans users

ALTER TABLE users ADD CONSTRAINT ck_users_email_lowercase CHECK (email = lower(email));
