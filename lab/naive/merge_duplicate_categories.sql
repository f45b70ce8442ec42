-- Instead of: deleting the duplicates, with which ON DELETE SET NULL forgets what the documents were
-- claim: loses documents.category_id

DELETE FROM categories WHERE id NOT IN (SELECT min(id) FROM categories GROUP BY parent_id, name);
