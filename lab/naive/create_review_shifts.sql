-- Instead of: two columns without a CHECK, of which one row in a thousand makes no range
-- claim: accepts: INSERT INTO review_shifts (user_id, starts_at, ends_at) SELECT id, '2025-01-06 12:00+00', '2025-01-06
--     09:00+00' FROM users LIMIT 1

CREATE TABLE review_shifts (
    id uuid DEFAULT gen_random_uuid() CONSTRAINT pk_review_shifts PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT fk_review_shifts_user_id REFERENCES users (id) ON DELETE CASCADE,
    desk text,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    options text,
    note varchar(100)
);
