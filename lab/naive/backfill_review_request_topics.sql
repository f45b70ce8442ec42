-- Instead of: one INSERT of all elements, which the first NULL among them undoes as a whole
-- claim: fails 23502

INSERT INTO topics SELECT DISTINCT keyword FROM review_requests, unnest(keywords) AS keyword;
