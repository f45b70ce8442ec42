-- Instead of: a UNIQUE over the text itself, which refuses what is longer than a third of a page
-- transaction: none
-- claim: refuses, 54000: INSERT INTO webhooks (user_id, name, url, events) SELECT (SELECT id FROM users LIMIT
--     1), 'long', 'https://example.com/' || string_agg(md5(n::text), ''), '{}' FROM generate_series(1, 200)
--     AS n

CREATE UNIQUE INDEX CONCURRENTLY uq_webhooks_user_id_url_of_any_length ON webhooks (user_id, url) WHERE is_active;

DROP INDEX CONCURRENTLY uq_webhooks_user_id_url_active;
