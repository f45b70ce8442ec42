-- Instead of: VALIDATE in the transaction of the swap, which scans the table again for each try that gets
--     no lock
-- claim: scans documents again at every try

ALTER TABLE documents VALIDATE CONSTRAINT ck_documents_new_status_not_null;

DROP TRIGGER documents_copy_status ON documents;

DROP FUNCTION documents_copy_status();

ALTER TABLE documents DROP COLUMN status;

ALTER TABLE documents ALTER COLUMN new_status SET DEFAULT 'pending';

ALTER TABLE documents RENAME new_status TO status;

ALTER TABLE documents ALTER COLUMN status SET NOT NULL;

ALTER TABLE documents DROP CONSTRAINT ck_documents_new_status_not_null;
