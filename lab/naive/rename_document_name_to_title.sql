-- Instead of: the drop_column() and add_column() that autogenerate writes
-- claim: loses documents.title

ALTER TABLE documents ADD COLUMN title varchar(255) DEFAULT '' NOT NULL;

ALTER TABLE documents DROP COLUMN name;
