-- Instead of: a stored generated column, which rewrites the table, and which new code cannot write
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents
-- claim: refuses, 428C9: UPDATE documents SET language = 'de'

ALTER TABLE documents ADD COLUMN language varchar(35)
    GENERATED ALWAYS AS (left(metadata ->> 'language', 35)) STORED;
