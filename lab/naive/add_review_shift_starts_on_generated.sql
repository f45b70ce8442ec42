-- Instead of: ADD COLUMN … GENERATED ALWAYS AS (…) STORED, which rewrites the table
-- claim: rewrites review_shifts
-- claim: blocks reads of review_shifts while it rewrites review_shifts

ALTER TABLE review_shifts ADD COLUMN starts_on date
    GENERATED ALWAYS AS ((starts_at AT TIME ZONE 'UTC')::date) STORED;
