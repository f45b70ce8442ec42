-- Instead of: CREATE INDEX, under which every write waits until it is built
-- claim: blocks writes of documents while it builds idx_documents_status

CREATE INDEX idx_documents_status ON documents (status);
