-- Instead of: dropping email and renaming new_email, which breaks the code that uses new_email
-- claim: breaks running code, 42703: SELECT id, new_email FROM users LIMIT 1

DROP TRIGGER users_sync_email ON users;

DROP FUNCTION users_sync_email();

ALTER TABLE users DROP COLUMN email;

ALTER TABLE users RENAME COLUMN new_email TO email;
