-- Instead of: one UPDATE of all rows, which also stops at the first value that is too long
-- claim: fails 22001

UPDATE documents SET language = metadata ->> 'language' WHERE language IS NULL;
