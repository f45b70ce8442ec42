-- Instead of: UNIQUE (parent_id, name), or a second, partial index WHERE parent_id IS NULL
-- claim: accepts: INSERT INTO categories (name) VALUES ('Invoices'), ('Invoices')

ALTER TABLE categories ADD CONSTRAINT uq_categories_parent_id_name UNIQUE (parent_id, name);
