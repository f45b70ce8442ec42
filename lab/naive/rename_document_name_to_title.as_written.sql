-- Instead of: the add_column() and drop_column() that autogenerate writes: fails on rows, or loses every name
-- claim: fails 23502

ALTER TABLE documents ADD COLUMN title varchar(255) NOT NULL;

ALTER TABLE documents DROP COLUMN name;
