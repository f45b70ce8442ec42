-- Instead of: VACUUM FULL, which rewrites the table while nobody can read it, and fills its pages again
-- transaction: none
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

VACUUM FULL documents;
