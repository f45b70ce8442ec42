-- Instead of: ADD UNIQUE, under which nobody can read or write until the index is built
-- claim: blocks reads of users while it builds uq_users_email

ALTER TABLE users ADD CONSTRAINT uq_users_email UNIQUE (email);
