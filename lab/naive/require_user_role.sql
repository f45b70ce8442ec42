-- Instead of: SET NOT NULL and ADD FOREIGN KEY, which scan all users while no session can read or write the
--     table
-- claim: blocks reads of users while it scans users
-- claim: blocks writes of roles while it scans users

ALTER TABLE users ALTER COLUMN role_id SET NOT NULL;

ALTER TABLE users ADD CONSTRAINT fk_users_role_id FOREIGN KEY (role_id) REFERENCES roles (id);
