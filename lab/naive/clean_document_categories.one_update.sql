-- Instead of: DELETE FROM documents WHERE category_id NOT IN (…), or one UPDATE of all of them
-- claim: locks rows of documents until the commit

UPDATE documents SET category_id = NULL WHERE category_id NOT IN (SELECT id FROM categories);
