-- Instead of: ALTER COLUMN … TYPE bigint, which writes every row anew while nobody can read or write
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

ALTER TABLE documents ALTER COLUMN file_size TYPE bigint;
