-- Instead of: the add_column() and drop_column() that autogenerate writes: fails on rows, or loses every name
-- claim: loses documents.title

ALTER TABLE documents ADD COLUMN title varchar(255) DEFAULT '' NOT NULL;

ALTER TABLE documents DROP COLUMN name;
