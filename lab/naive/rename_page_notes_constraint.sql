-- Instead of: DROP and ADD CONSTRAINT, which reads all of page_notes while nobody can read or write it
-- claim: blocks reads of page_notes while it scans page_notes

ALTER TABLE page_notes DROP CONSTRAINT page_notes_document_id_page_number_fkey;

ALTER TABLE page_notes ADD CONSTRAINT fk_page_notes_document_id_page_number
    FOREIGN KEY (document_id, page_number) REFERENCES document_pages (document_id, page_number)
    MATCH FULL ON UPDATE CASCADE ON DELETE CASCADE;
