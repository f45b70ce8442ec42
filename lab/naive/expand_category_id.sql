-- Instead of: ALTER COLUMN … TYPE bigint, which writes every row anew while nobody can read or write
-- claim: rewrites categories
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

ALTER TABLE categories ALTER COLUMN id TYPE bigint, ALTER COLUMN parent_id TYPE bigint;

ALTER TABLE documents ALTER COLUMN category_id TYPE bigint;
