-- Instead of: code that writes both columns, of which the code that still runs knows nothing
-- claim: answers None: UPDATE users SET email = 'new@example.com' WHERE id IN (SELECT id FROM users LIMIT 1)
--     RETURNING new_email

ALTER TABLE users ADD COLUMN new_email text;
