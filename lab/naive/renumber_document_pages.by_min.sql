-- Instead of: DELETE … WHERE id NOT IN (SELECT min(id) …), which loses text, and min(uuid) does not exist
-- claim: fails 42883

DELETE FROM document_pages WHERE id NOT IN (
    SELECT min(id) FROM document_pages GROUP BY document_id, page_number
);
