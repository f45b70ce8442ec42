-- Instead of: drop and create, which scans all rows under the exclusive lock
-- claim: blocks reads of documents while it scans documents

ALTER TABLE documents DROP CONSTRAINT ck_documents_priority_range;

ALTER TABLE documents ADD CONSTRAINT ck_documents_priority_range CHECK (priority BETWEEN 0 AND 100);
