-- Instead of: ADD CHECK, which scans all users while no session can read or write the table, and fails on
--     the first old row
-- claim: blocks reads of users while it scans users

ALTER TABLE users ADD CONSTRAINT ck_users_email_lowercase CHECK (email = lower(email));
