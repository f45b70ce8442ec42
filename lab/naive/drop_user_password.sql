-- Instead of: a downgrade that adds an empty column, and locks everybody out
-- way: downgrade
-- claim: loses users.password

ALTER TABLE users ADD COLUMN password varchar(255) DEFAULT '!' NOT NULL;
