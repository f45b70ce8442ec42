-- Instead of: row_number() over each group of equal names, which can give a name that another group has
-- given: INSERT INTO users (email, username, password) VALUES ('sam-2@example.com', NULL, '!')
-- claim: refuses, 23505: ALTER TABLE users ADD UNIQUE (username)

UPDATE users SET username = named.username
FROM (
    SELECT id, name || CASE WHEN number > 1 THEN '-' || number ELSE '' END AS username
    FROM (
        SELECT id, name, row_number() OVER (PARTITION BY name ORDER BY id) AS number
        FROM (SELECT id, left(lower(split_part(email, '@', 1)), 45) AS name FROM users) AS names
    ) AS numbered
) AS named
WHERE users.id = named.id AND users.username IS NULL;
