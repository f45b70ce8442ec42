-- Instead of: ADD COLUMN … bigserial, which rewrites the table
-- claim: rewrites review_shifts

ALTER TABLE review_shifts ADD COLUMN number bigserial;
