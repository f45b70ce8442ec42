-- Instead of: DROP and ADD CONSTRAINT … UNIQUE DEFERRABLE, which builds its index under the exclusive lock
-- claim: blocks reads of document_pages while it builds uq_document_pages_document_id_page_number

ALTER TABLE document_pages DROP CONSTRAINT uq_document_pages_document_id_page_number;

ALTER TABLE document_pages ADD CONSTRAINT uq_document_pages_document_id_page_number
    UNIQUE (document_id, page_number) DEFERRABLE;
