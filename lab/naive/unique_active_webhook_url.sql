-- Instead of: a unique constraint over (user_id, url, is_active), which allows only one inactive webhook
-- claim: fails 23505

ALTER TABLE webhooks ADD CONSTRAINT uq_webhooks_user_id_url_active UNIQUE (user_id, url, is_active);
