-- Instead of: DROP TABLE review_requests alone, which fails because another table refers to it
-- claim: fails 2BP01

DROP TABLE review_requests;
