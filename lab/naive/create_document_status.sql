-- Instead of: a varchar, which accepts every misspelling
-- claim: accepts: UPDATE documents SET status = 'complete'

ALTER TABLE documents ADD COLUMN status varchar(20) DEFAULT 'pending' NOT NULL;
