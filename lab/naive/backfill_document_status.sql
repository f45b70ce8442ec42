-- Instead of: one UPDATE, which locks every row it has changed until the last one is done
-- claim: locks rows of documents until the commit

UPDATE documents SET new_status = (
    CASE status WHEN 'archived' THEN 'completed' ELSE status::text END
)::document_status_enum_new WHERE new_status IS NULL;
