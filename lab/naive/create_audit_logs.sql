-- Instead of: CREATE INDEX CONCURRENTLY, on a new table that no other session sees yet
-- claim: fails 25001

CREATE TABLE audit_logs (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    action varchar(100) NOT NULL,
    timestamp timestamptz DEFAULT now() NOT NULL,
    details jsonb,
    CONSTRAINT pk_audit_logs PRIMARY KEY (id),
    CONSTRAINT fk_audit_logs_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX CONCURRENTLY idx_audit_logs_user_id ON audit_logs (user_id);

CREATE INDEX CONCURRENTLY idx_audit_logs_timestamp ON audit_logs (timestamp);
