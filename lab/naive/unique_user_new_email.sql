-- Instead of: CREATE INDEX, under which writes wait, and SET NOT NULL, under which reads wait too
-- claim: blocks reads of users while it scans users
-- claim: blocks writes of users while it builds uq_users_new_email

CREATE UNIQUE INDEX uq_users_new_email ON users (new_email);

ALTER TABLE users ALTER COLUMN new_email SET NOT NULL;
