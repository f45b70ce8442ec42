-- Instead of: one UPDATE of all of them, which keeps every row locked until its commit
-- claim: locks rows of review_shifts until the commit

UPDATE review_shifts SET desk = 'A1' WHERE desk IS NULL;
