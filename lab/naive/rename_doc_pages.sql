-- Instead of: rename_table() alone, after which every statement of old code fails
-- claim: breaks running code, 42P01: SELECT page_number, text FROM doc_pages LIMIT 1

ALTER TABLE doc_pages RENAME TO document_pages;
