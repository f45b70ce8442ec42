-- Instead of: VALIDATE in the transaction of the switch, which reads both tables under the exclusive lock
-- claim: blocks reads of documents while it scans documents
-- claim: blocks reads of categories while it scans categories

LOCK TABLE categories, documents IN ACCESS EXCLUSIVE MODE;

ALTER TABLE categories VALIDATE CONSTRAINT fk_categories_parent_id;

ALTER TABLE documents VALIDATE CONSTRAINT fk_documents_category_id;
