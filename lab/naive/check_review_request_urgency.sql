-- Instead of: ADD CHECK alone, which fails on the first text that is no label
-- claim: fails 23514

ALTER TABLE review_requests ADD CONSTRAINT ck_review_requests_urgency_has_level
    CHECK (urgency IS NULL OR level IS NOT NULL);
