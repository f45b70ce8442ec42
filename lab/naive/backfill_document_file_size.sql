-- Instead of: one UPDATE, which locks every row it has changed until the last one is done
-- claim: locks rows of documents until the commit

UPDATE documents SET new_file_size = file_size WHERE new_file_size IS NULL;
