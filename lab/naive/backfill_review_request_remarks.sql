-- Instead of: jsonb_to_recordset() over all rows, which stops at the first value that is no array of objects
-- claim: fails 22023

INSERT INTO review_request_remarks (review_request_id, position, remark)
SELECT id, row_number() OVER (PARTITION BY id), text FROM review_requests, jsonb_to_recordset(remarks) AS element (text text);
