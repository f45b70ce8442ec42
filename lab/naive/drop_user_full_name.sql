-- Instead of: first_name || ' ' || last_name on the way back, which gives NULL for "Cher", who has no last name
-- way: downgrade
-- claim: loses users.full_name

ALTER TABLE users ADD COLUMN full_name varchar(200);

UPDATE users SET full_name = left(first_name || ' ' || last_name, 200);
