-- Instead of: DROP TABLE … CASCADE, which also drops views and foreign keys that you forgot
-- given: CREATE VIEW exports_by_day AS SELECT exported_at::date AS day, count(*) FROM legacy_exports GROUP BY
--     1
-- claim: breaks running code, 42P01: SELECT count(*) FROM exports_by_day

DROP TABLE legacy_exports CASCADE;
