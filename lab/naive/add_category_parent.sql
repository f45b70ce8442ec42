-- Instead of: op.add_column() and then op.create_foreign_key(), which scans all rows under its lock
-- claim: blocks reads of categories while it scans categories

ALTER TABLE categories ADD COLUMN parent_id integer;

ALTER TABLE categories ADD CONSTRAINT fk_categories_parent_id
    FOREIGN KEY (parent_id) REFERENCES categories (id);
