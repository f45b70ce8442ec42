-- Instead of: ALTER COLUMN … TYPE … USING, which rewrites the table while no session can read or write it
-- claim: rewrites documents
-- claim: blocks reads of documents while it rewrites documents

CREATE TYPE document_status_enum_new AS ENUM ('pending', 'processing', 'completed', 'error');

ALTER TABLE documents ALTER COLUMN status DROP DEFAULT;

ALTER TABLE documents ALTER COLUMN status TYPE document_status_enum_new USING (
    CASE status WHEN 'archived' THEN 'completed' ELSE status::text END
)::document_status_enum_new;

ALTER TABLE documents ALTER COLUMN status SET DEFAULT 'pending';
