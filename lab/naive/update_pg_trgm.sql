-- Instead of: dropping the extension and creating it again, which drops every index that uses it
-- claim: answers None: SELECT to_regclass('idx_documents_title_trigram')

DROP EXTENSION pg_trgm CASCADE;

CREATE EXTENSION pg_trgm;
