-- Instead of: ADD COLUMN search tsvector GENERATED ALWAYS AS (…) STORED, which rewrites the table
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

ALTER TABLE documents ADD COLUMN search tsvector
    GENERATED ALWAYS AS (to_tsvector('simple', translate(title, '._-/', '    '))) STORED;
