-- Instead of: dropping and adding the column, which gives every row the new value
-- claim: loses documents.priority

ALTER TABLE documents DROP COLUMN priority;

ALTER TABLE documents ADD COLUMN priority integer DEFAULT 5 NOT NULL;
