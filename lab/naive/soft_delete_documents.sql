-- Instead of: an is_deleted flag, which does not say since when, and so never what may go for good
-- claim: refuses, 42703: DELETE FROM documents WHERE deleted_at < now() - interval '30 days'

ALTER TABLE documents ADD COLUMN is_deleted boolean DEFAULT false NOT NULL;
