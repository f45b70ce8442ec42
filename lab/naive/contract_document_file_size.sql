-- Instead of: SET NOT NULL without the CHECK, which scans the table under the exclusive lock
-- claim: blocks reads of documents while it scans documents

ALTER TABLE documents DROP CONSTRAINT ck_documents_new_file_size_not_null;

DROP TRIGGER documents_copy_file_size ON documents;

DROP FUNCTION documents_copy_file_size();

ALTER TABLE documents DROP COLUMN file_size;

ALTER TABLE documents RENAME new_file_size TO file_size;

ALTER TABLE documents ALTER COLUMN file_size SET NOT NULL;
