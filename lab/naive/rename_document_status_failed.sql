-- Instead of: a new label, an UPDATE of every row that has the old one, and a type swap to remove the old
--     one
-- transaction: none
-- given: UPDATE documents SET status = 'failed' WHERE priority = 0
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

ALTER TYPE document_status_enum ADD VALUE 'error';

UPDATE documents SET status = 'error' WHERE status = 'failed';

CREATE TYPE document_status_enum_new AS ENUM ('pending', 'processing', 'completed', 'archived', 'error');

ALTER TABLE documents ALTER COLUMN status DROP DEFAULT;

ALTER TABLE documents ALTER COLUMN status TYPE document_status_enum_new
    USING status::text::document_status_enum_new;

ALTER TABLE documents ALTER COLUMN status SET DEFAULT 'pending';

DROP TYPE document_status_enum;

ALTER TYPE document_status_enum_new RENAME TO document_status_enum;
