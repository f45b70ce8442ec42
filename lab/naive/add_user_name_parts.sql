-- Instead of: adding, backfilling and dropping in one revision, which breaks the code that is running
-- claim: breaks running code, 42703: SELECT id, email, full_name FROM users LIMIT 1

ALTER TABLE users ADD COLUMN first_name varchar(200), ADD COLUMN last_name varchar(200);

UPDATE users SET
    first_name = split_part(full_name, ' ', 1),
    last_name = nullif(substr(full_name, length(split_part(full_name, ' ', 1)) + 2), '');

ALTER TABLE users DROP COLUMN full_name;
