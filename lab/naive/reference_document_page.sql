-- Instead of: a key of document_id alone, or without MATCH FULL: each accepts a note on a page that is not there
-- claim: accepts: INSERT INTO page_notes (document_id, page_number, note) SELECT id, 999999, 'nowhere'
--     FROM documents LIMIT 1

CREATE TABLE page_notes (
    id serial CONSTRAINT pk_page_notes PRIMARY KEY,
    document_id uuid,
    page_number integer,
    note text NOT NULL,
    CONSTRAINT fk_page_notes_document_id FOREIGN KEY (document_id) REFERENCES documents (id) ON DELETE CASCADE
);
