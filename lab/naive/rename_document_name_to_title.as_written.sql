-- Instead of: the drop_column() and add_column() that autogenerate writes
-- claim: fails 23502

ALTER TABLE documents ADD COLUMN title varchar(255) NOT NULL;

ALTER TABLE documents DROP COLUMN name;
