-- Instead of: one UPDATE of all rows, or a CHECK first, which refuses every UPDATE of an old row
-- claim: locks rows of users until the commit

UPDATE users SET email = lower(email);
