-- Instead of: DROP VIEW … CASCADE, which takes along the privileges and every view upon it
-- given: GRANT SELECT ON planned_review_shifts, review_shifts, users TO pg_monitor
-- claim: breaks running code, 42501: SET LOCAL ROLE pg_monitor; SELECT count(*) FROM planned_review_shifts

DROP VIEW planned_review_shifts CASCADE;

ALTER TABLE review_shifts ALTER COLUMN note TYPE varchar(500);

CREATE VIEW planned_review_shifts WITH (security_invoker = true) AS
SELECT review_shifts.id, username, desk, starts_at, ends_at, note
FROM review_shifts JOIN users ON users.id = user_id;
