-- Instead of: DROP INDEX, which waits for all readers, and new readers wait behind it
-- claim: blocks reads of documents

DROP INDEX idx_documents_status;
