-- Instead of: ADD FOREIGN KEY, which reads both tables under the exclusive lock, and an identity that begins at 1
-- claim: breaks running code, 42803: SELECT name FROM categories GROUP BY id

ALTER TABLE categories RENAME COLUMN id TO swapped;

ALTER TABLE categories RENAME COLUMN new_id TO id;

ALTER TABLE categories RENAME COLUMN swapped TO new_id;
