-- Instead of: DROP INDEX, which waits for all readers and lets none in meanwhile
-- claim: blocks reads of documents

DROP INDEX idx_documents_status;
