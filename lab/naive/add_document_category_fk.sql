-- Instead of: cleaning first: if code writes another orphan before ADD FOREIGN KEY, that fails
-- transaction: none
-- claim: fails 23503

UPDATE documents SET category_id = NULL
WHERE NOT EXISTS (SELECT FROM categories WHERE id = documents.category_id);

-- meanwhile
UPDATE documents SET category_id = 4711 WHERE id IN (SELECT id FROM documents LIMIT 1);

ALTER TABLE documents ADD CONSTRAINT fk_documents_category_id
    FOREIGN KEY (category_id) REFERENCES categories (id) ON DELETE SET NULL;
