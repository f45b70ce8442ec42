-- Instead of: code that writes both columns, while the old code, which still runs, writes only one
-- claim: answers None: UPDATE users SET email = 'new@example.com' WHERE id IN (SELECT id FROM users LIMIT 1)
--     RETURNING new_email

ALTER TABLE users ADD COLUMN new_email text;
