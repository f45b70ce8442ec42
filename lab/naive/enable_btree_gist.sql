-- Instead of: an exclusion constraint alone, which fails because text has no operator class for GiST
-- claim: fails 42704

ALTER TABLE review_shifts ADD CONSTRAINT ex_review_shifts_desk
    EXCLUDE USING gist (desk WITH =, tstzrange(starts_at, ends_at) WITH &&);
