-- Instead of: ADD CHECK, which scans all users while no session can read or write the table, and fails on
--     the first old row
-- given: INSERT INTO users (email, username, password) VALUES ('Mixed@Example.com', 'mixed', '!')
-- claim: fails 23514

ALTER TABLE users ADD CONSTRAINT ck_users_email_lowercase CHECK (email = lower(email));
