-- Instead of: committing what autogenerate wrote, unread
-- claim: refuses, 23502: INSERT INTO webhooks (user_id, name, url, events) SELECT id, 'by hand',
--     'https://example.com', '{}' FROM users LIMIT 1

CREATE TABLE webhooks (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name varchar(255) NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL,
    secret varchar(255),
    is_active boolean NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_webhooks PRIMARY KEY (id),
    CONSTRAINT fk_webhooks_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX idx_webhooks_user_id ON webhooks (user_id);

CREATE INDEX idx_webhooks_is_active ON webhooks (is_active);
