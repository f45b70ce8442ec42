-- Instead of: a key of document_id alone, or without MATCH FULL: each accepts a note on a page that is not there
-- claim: accepts: INSERT INTO page_notes (document_id, note) VALUES (gen_random_uuid(), 'nowhere')

CREATE TABLE page_notes (
    id serial CONSTRAINT pk_page_notes PRIMARY KEY,
    document_id uuid,
    page_number integer,
    note text NOT NULL,
    FOREIGN KEY (document_id, page_number) REFERENCES document_pages (document_id, page_number)
        ON UPDATE CASCADE ON DELETE CASCADE
);
