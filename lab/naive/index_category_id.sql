-- Instead of: CREATE INDEX, under which writes wait, and SET NOT NULL, under which reads wait too
-- claim: blocks writes of categories while it builds uq_categories_new_id
-- claim: blocks writes of documents while it builds idx_documents_new_category_id
-- claim: blocks reads of categories while it scans categories

CREATE UNIQUE INDEX uq_categories_new_id ON categories (new_id);

CREATE UNIQUE INDEX uq_categories_new_parent_id_name ON categories (new_parent_id, name) NULLS NOT DISTINCT;

CREATE INDEX idx_documents_new_category_id ON documents (new_category_id);

ALTER TABLE categories ALTER COLUMN new_id SET NOT NULL;
