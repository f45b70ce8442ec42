-- Instead of: CREATE INDEX, under which every INSERT, UPDATE and DELETE waits until it is built
-- claim: blocks writes of documents while it builds idx_documents_tags

CREATE INDEX idx_documents_tags ON documents USING gin (tags);
