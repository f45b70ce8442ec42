-- Instead of: dropping it in one deploy with the code that stops using it; an ORM names all columns in
--     every SELECT
-- claim: breaks old code, 42703: SELECT id, title, legacy_status FROM documents LIMIT 1

ALTER TABLE documents DROP COLUMN legacy_status;
