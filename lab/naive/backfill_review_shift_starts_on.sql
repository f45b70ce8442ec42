-- Instead of: one UPDATE of all rows, which keeps every row locked until its commit
-- claim: locks rows of review_shifts until the commit

UPDATE review_shifts SET starts_at = starts_at;
