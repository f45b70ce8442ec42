-- Instead of: DROP COLUMN … CASCADE, which also drops every view that reads the column
-- given: CREATE VIEW urgent_documents AS SELECT id FROM documents WHERE priority > 5
-- claim: breaks running code, 42P01: SELECT count(*) FROM urgent_documents
-- claim: breaks old code, 42P01: SELECT id, title FROM active_documents LIMIT 1

ALTER TABLE documents DROP COLUMN priority CASCADE;
