-- Instead of: DROP FUNCTION … CASCADE, which takes along the views that call it
-- given: CREATE VIEW minutes AS SELECT id, shift_minutes(starts_at, ends_at) FROM review_shifts WHERE isfinite(ends_at)
-- claim: breaks running code, 42P01: SELECT count(*) FROM minutes

DROP FUNCTION shift_minutes(timestamptz, timestamptz) CASCADE;
