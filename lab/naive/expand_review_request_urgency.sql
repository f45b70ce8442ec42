-- Instead of: ALTER COLUMN urgency TYPE … USING …, which fails at the first text that is no label
-- claim: fails 22P02

CREATE TYPE review_request_level AS ENUM ('low', 'normal', 'high');

ALTER TABLE review_requests ALTER COLUMN urgency TYPE review_request_level USING urgency::review_request_level;
