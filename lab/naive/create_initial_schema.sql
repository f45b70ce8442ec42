-- Instead of: `Base.metadata.create_all()`, which never changes a table that exists
-- claim: refuses, 42703: SELECT full_name FROM users

-- what create_all() sends on the first day
CREATE TABLE IF NOT EXISTS users (
    id uuid DEFAULT gen_random_uuid() CONSTRAINT pk_users PRIMARY KEY,
    email varchar(255) NOT NULL
);

-- and when the model has one more column
CREATE TABLE IF NOT EXISTS users (
    id uuid DEFAULT gen_random_uuid() CONSTRAINT pk_users PRIMARY KEY,
    email varchar(255) NOT NULL,
    full_name varchar(200)
);
