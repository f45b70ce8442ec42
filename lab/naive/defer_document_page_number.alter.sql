-- Instead of: DROP and ADD CONSTRAINT … UNIQUE DEFERRABLE, which builds its index under the exclusive lock
-- claim: fails 42809

ALTER TABLE document_pages ALTER CONSTRAINT uq_document_pages_document_id_page_number DEFERRABLE;
