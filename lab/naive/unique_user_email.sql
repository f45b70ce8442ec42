-- Instead of: ADD UNIQUE, which builds the index while no session can read or write the table
-- claim: blocks reads of users while it builds uq_users_email

ALTER TABLE users ADD CONSTRAINT uq_users_email UNIQUE (email);
