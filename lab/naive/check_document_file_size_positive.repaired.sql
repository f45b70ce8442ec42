-- Instead of: op.create_check_constraint() alone, which scans all rows under the exclusive lock and fails
--     on one
-- given: UPDATE documents SET file_size = NULL WHERE file_size <= 0
-- claim: blocks reads of documents while it scans documents

ALTER TABLE documents ADD CONSTRAINT ck_documents_file_size_positive CHECK (file_size > 0);
