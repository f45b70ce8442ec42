-- Instead of: ADD CONSTRAINT … UNIQUE, which builds the index while no session can read or write users
-- claim: blocks reads of users while it builds uq_users_username

ALTER TABLE users ADD CONSTRAINT uq_users_username UNIQUE (username);
