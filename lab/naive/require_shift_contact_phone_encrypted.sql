-- Instead of: DROP COLUMN as soon as the job has ended, which loses each phone that the job has missed
-- given: INSERT INTO shift_contacts (name, phone) VALUES ('Ada', '+4930123456')
-- claim: loses shift_contacts.phone

DROP TRIGGER shift_contacts_phone_changed ON shift_contacts;
ALTER TABLE shift_contacts DROP COLUMN phone;
