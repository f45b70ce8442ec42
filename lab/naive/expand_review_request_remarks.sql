-- Instead of: code that writes both forms, while the old code, which still runs, writes arrays only
-- claim: answers 0: UPDATE review_requests SET remarks = '[{"page": 1, "text": "new"}]'; SELECT count(*) FROM
--     review_request_remarks WHERE remark = 'new'

CREATE TABLE review_request_remarks (
    review_request_id uuid CONSTRAINT fk_review_request_remarks_review_request_id
        REFERENCES review_requests (id) ON DELETE CASCADE,
    position integer,
    page_number integer,
    remark text,
    CONSTRAINT pk_review_request_remarks PRIMARY KEY (review_request_id, position)
);
