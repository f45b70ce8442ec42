-- Instead of: a default that is computed for each row (random(), clock_timestamp()), which rewrites the table
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

ALTER TABLE documents ADD COLUMN priority integer DEFAULT (random() * 9)::integer NOT NULL;
