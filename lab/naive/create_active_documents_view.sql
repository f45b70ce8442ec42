-- Instead of: a model on the view's name, for which autogenerate writes CREATE TABLE
-- claim: answers 0: SELECT count(*) FROM active_documents

CREATE TABLE active_documents (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    title varchar(255) NOT NULL,
    status document_status_enum NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_active_documents PRIMARY KEY (id)
);
