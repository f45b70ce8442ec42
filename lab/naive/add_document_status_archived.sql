-- Instead of: a new type and ALTER COLUMN … TYPE, which rewrites the table
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

CREATE TYPE document_status_enum_new AS ENUM ('pending', 'processing', 'completed', 'archived', 'failed');

ALTER TABLE documents ALTER COLUMN status DROP DEFAULT;

ALTER TABLE documents ALTER COLUMN status TYPE document_status_enum_new
    USING status::text::document_status_enum_new;

ALTER TABLE documents ALTER COLUMN status SET DEFAULT 'pending';

DROP TYPE document_status_enum;

ALTER TYPE document_status_enum_new RENAME TO document_status_enum;
