-- Instead of: deleting the duplicates, after which ON DELETE SET NULL leaves their documents without a
--     category
-- claim: loses documents.category_id

DELETE FROM categories WHERE id NOT IN (SELECT min(id) FROM categories GROUP BY parent_id, name);
