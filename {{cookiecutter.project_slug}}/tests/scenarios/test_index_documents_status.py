"""An index on one column; and what all index revisions of this part promise."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import models  # noqa: F401
from tests.support import Make

RARE = "SELECT title FROM documents WHERE status = 'error'"

INDEXES = {
    "index_documents_status": ("idx_documents_status", "documents"),
    "index_documents_user_created": ("idx_documents_user_id_created_at", "documents"),
    "index_documents_pending": ("idx_documents_pending", "documents"),
    "index_documents_metadata": ("idx_documents_metadata", "documents"),
    "index_users_name_lower": ("idx_users_name_lower", "users"),
    "index_documents_list_covering": ("idx_documents_list", "documents"),
    "index_audit_logs_timestamp_brin": ("idx_audit_logs_timestamp_brin", "audit_logs"),
    "index_webhooks_url_hash": ("idx_webhooks_url", "webhooks"),
    "index_documents_title_trigram": ("idx_documents_title_trigram", "documents"),
    "index_audit_logs_ip_address": ("idx_audit_logs_ip_address", "audit_logs"),
    "replace_documents_user_index": ("idx_documents_user_id_created_at_id", "documents"),
}


def test_the_index_finds_the_rare_value_and_is_not_asked_for_the_common_one(before: Make) -> None:
    database = before("index_documents_status")
    status = "(CASE WHEN n % 1000 = 0 THEN 'error' ELSE 'completed' END)::document_status_enum"
    database.insert_many("documents", 20000, title="'number ' || n", status=status)
    database.execute("ANALYZE documents")
    assert "idx_documents_status" not in database.plan(RARE)
    found = set(database.column(RARE))
    database.upgrade("index_documents_status")
    assert "idx_documents_status" in database.plan(RARE)
    assert set(database.column(RARE)) == found >= {"number 1000", "number 20000"}
    common = "SELECT title FROM documents WHERE status = 'completed'"
    assert "idx_documents_status" not in database.plan(common)


@pytest.mark.parametrize("slug", INDEXES)
def test_whatever_a_failed_build_left_is_built_again(before: Make, slug: str) -> None:
    index, table = INDEXES[slug]
    database = before(slug)
    with database.engine.connect() as connection:
        build = connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(IntegrityError):
            build.execute(text(f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {table} ((1))"))
    valid = f"SELECT indisvalid AND NOT indisunique FROM pg_index WHERE indexrelid = '{index}'::regclass"
    assert database.value(valid) is False
    database.upgrade(slug)
    assert database.value(valid) is True
