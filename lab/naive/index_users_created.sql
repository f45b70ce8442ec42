-- Instead of: CREATE INDEX, under which every write waits until it is built
-- claim: blocks writes of users while it builds idx_users_created_at

CREATE INDEX idx_users_created_at ON users (created_at);
