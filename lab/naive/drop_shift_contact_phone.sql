-- Instead of: DROP COLUMN alone, which fails because the trigger names the column
-- claim: fails 2BP01

ALTER TABLE shift_contacts DROP COLUMN phone;
