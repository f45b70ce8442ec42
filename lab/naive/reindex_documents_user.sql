-- Instead of: REINDEX, under which writes wait, and reads too: planning a query opens every index
-- claim: blocks writes of documents while it builds idx_documents_user_id_created_at_id

REINDEX INDEX idx_documents_user_id_created_at_id;
