-- Instead of: a stored generated column, which rewrites the table while no session can read or write it
-- claim: rewrites document_pages
-- claim: blocks reads of document_pages while it rewrites document_pages

ALTER TABLE document_pages ADD COLUMN characters integer GENERATED ALWAYS AS (length(text)) STORED;
