-- Instead of: an is_deleted flag, which does not say since when, and so not which rows are old enough to
--     purge
-- claim: refuses, 42703: DELETE FROM documents WHERE deleted_at < now() - interval '30 days'

ALTER TABLE documents ADD COLUMN is_deleted boolean DEFAULT false NOT NULL;
