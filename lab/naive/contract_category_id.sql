-- Instead of: dropping the columns and then their triggers, without which each write in between fails
-- claim: breaks running code, 42703: UPDATE documents SET title = title
-- transaction: none
-- look: 3

ALTER TABLE documents DROP COLUMN new_category_id;

ALTER TABLE categories DROP COLUMN new_parent_id;

ALTER TABLE categories DROP COLUMN new_id;

DROP TRIGGER documents_copy_category_id ON documents;

DROP FUNCTION documents_copy_category_id();

DROP TRIGGER categories_copy_id ON categories;

DROP FUNCTION categories_copy_id();
