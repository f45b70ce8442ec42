-- Instead of: DROP COLUMN alone, which also drops a unique constraint that the new column lacks
-- given: DELETE FROM page_notes; ALTER TABLE page_notes ADD CONSTRAINT uq_page_notes_note UNIQUE (note)
-- claim: accepts: INSERT INTO page_notes (body) VALUES ('twice'), ('twice')

DROP TRIGGER page_notes_sync_body ON page_notes;

DROP FUNCTION page_notes_sync_body();

ALTER TABLE page_notes DROP COLUMN note;
