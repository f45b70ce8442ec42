-- Instead of: first_name || ' ' || last_name on the way back, which is NULL for "Cher"
-- way: downgrade
-- claim: loses users.full_name

ALTER TABLE users ADD COLUMN full_name varchar(200);

UPDATE users SET full_name = left(first_name || ' ' || last_name, 200);
