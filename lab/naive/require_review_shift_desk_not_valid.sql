-- Instead of: SET NOT NULL, which fails on the first row without a desk
-- claim: fails 23502

ALTER TABLE review_shifts ALTER COLUMN desk SET NOT NULL;
