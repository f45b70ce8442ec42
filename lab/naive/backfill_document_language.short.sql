-- Instead of: one UPDATE of all rows, which also stops at the first value that is too long
-- given: UPDATE documents SET metadata = metadata - 'language' WHERE length(metadata ->> 'language') > 35
-- claim: locks rows of documents until the commit

UPDATE documents SET language = metadata ->> 'language' WHERE language IS NULL;
