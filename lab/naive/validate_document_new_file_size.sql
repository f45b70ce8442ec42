-- Instead of: VALIDATE in the transaction of the swap, which scans the table again for each try that gets
--     no lock
-- claim: scans documents again at every try

ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_new_file_size_not_null;

DROP TRIGGER documents_copy_file_size ON documents;

DROP FUNCTION documents_copy_file_size();

ALTER TABLE documents DROP COLUMN file_size;

ALTER TABLE documents RENAME new_file_size TO file_size;

ALTER TABLE documents ALTER COLUMN file_size SET NOT NULL;

ALTER TABLE documents DROP CONSTRAINT ck_documents_new_file_size_not_null;
