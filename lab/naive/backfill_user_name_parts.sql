-- Instead of: split_part() in one UPDATE, which gives " Ada" an empty first name
-- claim: loses users.first_name
-- claim: locks rows of users until the commit

UPDATE users SET first_name = split_part(full_name, ' ', 1), last_name = split_part(full_name, ' ', 2)
WHERE first_name IS NULL;
