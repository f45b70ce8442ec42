-- Instead of: CREATE DOMAIN with its CHECK and ALTER COLUMN TYPE, which rewrites the table
-- claim: rewrites review_shifts

CREATE DOMAIN desk_name AS text CONSTRAINT ck_desk_name CHECK (VALUE ~ '^[A-Z][0-9]{1,2}$');

ALTER TABLE review_shifts ALTER COLUMN desk TYPE desk_name;
