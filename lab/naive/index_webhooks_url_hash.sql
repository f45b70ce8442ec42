-- Instead of: a B-tree, as large as the texts, which limits how long they may be
-- transaction: none
-- claim: refuses, 54000: INSERT INTO webhooks (user_id, name, url, events, is_active) SELECT (SELECT id FROM
--     users LIMIT 1), 'long', 'https://example.com/' || string_agg(md5(n::text), ''), '{}', false FROM
--     generate_series(1, 200) AS n

CREATE INDEX CONCURRENTLY idx_webhooks_url ON webhooks (url);
