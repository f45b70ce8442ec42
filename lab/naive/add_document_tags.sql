-- Instead of: a nullable column, whose NULLs every query must then handle
-- claim: answers 0: SELECT count(*) FROM documents WHERE NOT tags @> '{invoice}'

ALTER TABLE documents ADD COLUMN tags text[];
