-- Instead of: one UPDATE, which locks every row it has changed until the last one is done
-- claim: locks rows of documents until the commit
-- claim: locks rows of categories until the commit

UPDATE categories SET new_id = id, new_parent_id = parent_id WHERE new_id IS NULL;

UPDATE documents SET new_category_id = category_id WHERE new_category_id IS NULL;
