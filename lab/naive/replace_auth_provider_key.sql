-- Instead of: DROP and ADD PRIMARY KEY, which builds its index under the exclusive lock
-- claim: blocks reads of auth_providers while it builds pk_auth_providers
-- claim: refuses, 55000: CREATE PUBLICATION changes FOR TABLE auth_providers; UPDATE auth_providers SET
--     provider = provider

ALTER TABLE auth_providers DROP CONSTRAINT pk_auth_providers;

ALTER TABLE auth_providers ADD CONSTRAINT pk_auth_providers PRIMARY KEY (user_id, provider);

ALTER TABLE auth_providers DROP CONSTRAINT uq_auth_providers_user_id_provider;

ALTER TABLE auth_providers ADD CONSTRAINT uq_auth_providers_id UNIQUE (id);
