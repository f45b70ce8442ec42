-- Instead of: one UPDATE, which locks every row it has changed until the last one is done
-- claim: locks rows of users until the commit

UPDATE users SET role_id = 2 WHERE role_id IS NULL;
