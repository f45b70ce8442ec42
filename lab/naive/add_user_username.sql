-- Instead of: ADD COLUMN … NOT NULL, which fails as soon as there is a row
-- claim: fails 23502

ALTER TABLE users ADD COLUMN username varchar(50) NOT NULL;
