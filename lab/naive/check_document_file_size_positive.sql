-- Instead of: op.create_check_constraint() alone, which scans all rows under the exclusive lock and fails
--     on one
-- claim: fails 23514

ALTER TABLE documents ADD CONSTRAINT ck_documents_file_size_positive CHECK (file_size > 0);
