-- Instead of: CREATE TABLE … AS, which has no key and takes NULL everywhere
-- claim: accepts: INSERT INTO legacy_page_counts (document_id, pages) VALUES (NULL, NULL)

CREATE TABLE legacy_page_counts AS
SELECT document_id, count(*)::integer AS pages FROM document_pages GROUP BY document_id ORDER BY document_id;
