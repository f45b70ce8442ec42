-- Instead of: SET NOT NULL alone, which scans all page_notes while no session can read or write the table
-- claim: blocks reads of page_notes while it scans page_notes

ALTER TABLE page_notes ALTER COLUMN body SET NOT NULL;
