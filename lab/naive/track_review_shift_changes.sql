-- Instead of: code that writes the history itself, past which psql and the next backfill go
-- claim: answers 0: UPDATE review_shifts SET note = 'by psql'; SELECT count(*) FROM review_shift_changes WHERE after ->>
--     'note' = 'by psql'

CREATE TABLE review_shift_changes (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_review_shift_changes PRIMARY KEY,
    review_shift_id uuid NOT NULL,
    operation text NOT NULL,
    before jsonb,
    after jsonb
);
