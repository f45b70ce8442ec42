-- Instead of: one UPDATE of all rows, which a replica gets as one piece, and of which a stop leaves nothing
-- claim: locks rows of document_pages until the commit

UPDATE document_pages SET characters = length(text) WHERE characters IS NULL AND text IS NOT NULL;
