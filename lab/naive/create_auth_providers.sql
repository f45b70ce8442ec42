-- Instead of: moving it in one revision, while old code still writes to a column that new code does not
--     read
-- claim: answers 0: UPDATE users SET password = 'new'; SELECT count(*) FROM auth_providers WHERE credentials
--     = 'new'

CREATE TABLE auth_providers (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    provider varchar(50) NOT NULL,
    credentials text,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_auth_providers PRIMARY KEY (id),
    CONSTRAINT uq_auth_providers_user_id_provider UNIQUE (user_id, provider),
    CONSTRAINT fk_auth_providers_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

INSERT INTO auth_providers (user_id, provider, credentials) SELECT id, 'local', password FROM users;
