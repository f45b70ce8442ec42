-- Instead of: one UPDATE of all of them, which keeps every row locked until its commit
-- claim: locks rows of review_requests until the commit

UPDATE review_requests SET level = 'normal' WHERE level IS NULL AND urgency IS NOT NULL;
