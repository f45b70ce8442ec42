-- Instead of: dropping the old column at the switch, while code still uses it
-- claim: breaks old code, 42703: SELECT id, new_email FROM users LIMIT 1

DROP TRIGGER users_sync_email ON users;

DROP FUNCTION users_sync_email();

ALTER TABLE users DROP COLUMN new_email;
