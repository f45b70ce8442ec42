-- Instead of: deleting from pg_enum, which leaves rows and index entries that no query can read
-- given: UPDATE documents SET status = 'archived' WHERE priority = 0
-- claim: breaks running code, 22P03: SELECT id, status FROM documents WHERE priority = 0

DELETE FROM pg_enum WHERE enumtypid = 'document_status_enum'::regtype AND enumlabel = 'archived';
