-- Instead of: dropping the policy alone, which leaves the table looking empty
-- claim: answers True: CREATE ROLE lab_application; GRANT SELECT ON webhooks TO lab_application; SET LOCAL
--     ROLE lab_application; SELECT count(*) = 0 FROM webhooks

DROP POLICY own_webhooks ON webhooks;
