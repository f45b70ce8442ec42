-- Instead of: ALTER COLUMN … TYPE bigint, which rewrites the table while no session can read or write it
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

ALTER TABLE documents ALTER COLUMN file_size TYPE bigint;
