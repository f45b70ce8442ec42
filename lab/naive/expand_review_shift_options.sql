-- Instead of: ALTER COLUMN options TYPE jsonb USING options::jsonb, which fails at the first text that is none
-- claim: fails 22P02

ALTER TABLE review_shifts ALTER COLUMN options TYPE jsonb USING options::jsonb;
