-- Instead of: pgcrypto in an UPDATE, which shows the key in logs, pg_stat_activity and pg_stat_statements
-- given: CREATE FUNCTION pgp_sym_encrypt(text, text) RETURNS bytea LANGUAGE sql
--     RETURN sha256(convert_to($1 || $2, 'UTF8'));
--     CREATE TABLE vault AS SELECT 'correct horse battery staple' AS secret;
--     INSERT INTO shift_contacts (name, phone) VALUES ('Ada', '+4930123456')
-- claim: shows vault.secret in a statement

ALTER TABLE shift_contacts ADD COLUMN phone_encrypted bytea;
UPDATE shift_contacts SET phone_encrypted = pgp_sym_encrypt(phone, 'correct horse battery staple');
