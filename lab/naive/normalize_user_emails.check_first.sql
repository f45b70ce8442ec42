-- Instead of: one UPDATE of all rows, or a CHECK first, which refuses every UPDATE of an old row
-- given: INSERT INTO users (email, username, password) VALUES ('Mixed@Example.com', 'mixed', '!')
-- claim: breaks running code, 23514: UPDATE users SET is_active = false

ALTER TABLE users ADD CONSTRAINT ck_users_email_lowercase CHECK (email = lower(email)) NOT VALID;
