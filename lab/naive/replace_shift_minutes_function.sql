-- Instead of: a third argument with a default beside the old function, which makes every old call ambiguous
-- claim: breaks running code, 42725: SELECT shift_minutes('2025-01-06 08:00+00', '2025-01-06 09:30+00')

CREATE FUNCTION shift_minutes(
    begins timestamptz, ends timestamptz, pause interval DEFAULT interval '0'
) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ceil(extract(epoch FROM ends - begins - pause) / 60);
