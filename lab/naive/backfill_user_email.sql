-- Instead of: one UPDATE, which locks every row and makes every user look edited today
-- claim: locks rows of users until the commit
-- claim: loses users.updated_at

UPDATE users SET new_email = email WHERE new_email IS NULL;
