-- Instead of: DELETE FROM documents WHERE category_id NOT IN (…), or one UPDATE of all of them
-- claim: loses documents

DELETE FROM documents WHERE category_id NOT IN (SELECT id FROM categories);
