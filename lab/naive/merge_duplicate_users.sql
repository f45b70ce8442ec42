-- Instead of: DELETE … WHERE id NOT IN (SELECT MIN(id) …), which deletes their documents too; and up to
--     PostgreSQL 18 there is no MIN(uuid)
-- claim: loses documents

DELETE FROM users WHERE id NOT IN (
    SELECT (array_agg(id ORDER BY created_at, id))[1] FROM users GROUP BY lower(email)
);
