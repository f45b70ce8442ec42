-- Instead of: one UPDATE, which locks every row it has changed until the last one is done
-- claim: locks rows of documents until the commit

UPDATE documents SET title = title WHERE search IS NULL;
