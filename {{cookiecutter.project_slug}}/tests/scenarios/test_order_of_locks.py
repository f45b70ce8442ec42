"""Code that uses a table and then its child has no error from any revision that locks both."""

import ast
import itertools
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from migrate.chain import Revision
from tests.support import REVISIONS, Make, Server, wait_for

WAITS = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

UPGRADES = [
    ("require_user_role", "roles", "users"),
    ("add_document_category_fk", "categories", "documents"),
    ("keep_audit_logs_of_deleted_users", "users", "audit_logs"),
    ("drop_user_password", "users", "auth_providers"),
    ("add_webhook_deliveries_partition", "webhooks", "webhook_deliveries"),
    ("add_webhook_deliveries_partition", "webhook_deliveries", "webhook_deliveries_default"),
    ("detach_webhook_deliveries_partition", "webhooks", "webhook_deliveries"),
    ("expand_category_id", "categories", "documents"),
    ("switch_category_id", "categories", "documents"),
    ("contract_category_id", "categories", "documents"),
    ("drop_page_notes_fk", "document_pages", "page_notes"),
    ("drop_review_request_keywords", "review_requests", "review_request_topics"),
    ("drop_review_request_remarks", "review_requests", "review_request_remarks"),
    ("drop_review_requests", "review_requests", "review_request_remarks"),
    ("drop_review_requests", "topics", "review_request_topics"),
]
DOWNGRADES = [
    ("create_initial_schema", "users", "documents"),
    ("create_initial_schema", "documents", "doc_pages"),
    ("create_webhooks", "users", "webhooks"),
    ("create_audit_logs", "users", "audit_logs"),
    ("create_roles", "roles", "users"),
    ("require_user_role", "roles", "users"),
    ("add_document_category_fk", "categories", "documents"),
    ("validate_document_category_fk", "categories", "documents"),
    ("keep_audit_logs_of_deleted_users", "users", "audit_logs"),
    ("create_auth_providers", "users", "auth_providers"),
    ("create_webhook_deliveries", "webhooks", "webhook_deliveries"),
    ("add_webhook_deliveries_partition", "webhooks", "webhook_deliveries"),
    ("detach_webhook_deliveries_partition", "webhooks", "webhook_deliveries"),
    ("expand_category_id", "categories", "documents"),
    ("index_category_id", "categories", "documents"),
    ("switch_category_id", "categories", "documents"),
    ("validate_category_id", "categories", "documents"),
    ("contract_category_id", "categories", "documents"),
    ("reference_document_page", "document_pages", "page_notes"),
    ("drop_page_notes_fk", "document_pages", "page_notes"),
    ("expand_review_request_keywords", "review_requests", "review_request_topics"),
    ("expand_review_request_keywords", "topics", "review_request_topics"),
    ("expand_review_request_remarks", "review_requests", "review_request_remarks"),
]


@pytest.mark.parametrize(
    ("direction", "slug", "parent", "child"),
    [("upgrade", *case) for case in UPGRADES] + [("downgrade", *case) for case in DOWNGRADES],
    ids=str,
)
def test_the_parent_is_locked_first(
    server: Server, direction: str, slug: str, parent: str, child: str
) -> None:
    database = server.ready_for(slug, direction)
    with database.engine.connect() as code:
        # Any write waits for any of the locks; where no row is written, nothing else is waited for.
        code.execute(text(f"DELETE FROM {parent} WHERE false"))
        with database.while_it_waits(slug, direction):
            code.execute(text(f"DELETE FROM {child} WHERE false"))
            code.commit()


@pytest.mark.parametrize(
    ("direction", "slug", "table"),
    [
        ("upgrade", "create_auth_providers", "users"),
        ("upgrade", "check_document_file_size_positive", "documents"),
        ("downgrade", "validate_document_file_size_positive", "documents"),
        ("upgrade", "add_webhook_deliveries_partition", "webhook_deliveries"),
        ("downgrade", "detach_webhook_deliveries_partition", "webhook_deliveries"),
    ],
)
def test_the_strongest_lock_on_a_table_is_the_first(
    server: Server, direction: str, slug: str, table: str
) -> None:
    database = server.ready_for(slug, direction)
    with database.engine.connect() as code:
        code.execute(text(f"SELECT FROM {table} LIMIT 1"))
        with database.while_it_waits(slug, direction):
            code.execute(text(f"DELETE FROM {table} WHERE false"))
            code.commit()


@pytest.mark.parametrize(
    ("slug", "table", "column", "value"),
    [
        ("backfill_user_username", "users", "username", "NULL"),
        ("assign_user_roles", "users", "role_id", "NULL"),
        ("normalize_user_emails", "users", "email", "'A' || gen_random_uuid() || '@example.com'"),
        ("check_user_email_lowercase", "users", "email", "'A' || gen_random_uuid() || '@example.com'"),
        ("clamp_document_priorities", "documents", "priority", "99"),
    ],
)
def test_code_that_changes_rows_in_the_order_of_their_ids_is_not_deadlocked(
    before: Make, slug: str, table: str, column: str, value: str
) -> None:
    database = before(slug)
    first = "00000000-0000-0000-0000-000000000000"
    database.insert_many(table, 200, **{column: value})
    database.insert_many(table, 1, id=f"'{first}'::uuid", **{column: value})  # the last one in the table
    with database.engine.connect() as code:
        code.execute(text(f"SELECT FROM {table} WHERE id = '{first}' FOR NO KEY UPDATE"))
        with database.while_it_waits(slug):
            code.execute(text("SET LOCAL lock_timeout = '1s'"))
            code.execute(text(f"SELECT FROM {table} ORDER BY id FOR NO KEY UPDATE"))
            code.commit()


@pytest.mark.parametrize(
    ("direction", "slug", "proof"),
    [
        ("upgrade", "contract_document_file_size", "ck_documents_new_file_size_not_null"),
        ("upgrade", "remove_document_status_archived", "ck_documents_new_status_not_null"),
        ("upgrade", "validate_document_file_size_positive", "ck_documents_file_size_positive"),
        ("upgrade", "require_user_username", "ck_users_username_not_null"),
        ("upgrade", "require_user_role", "ck_users_role_id_not_null"),
        ("upgrade", "check_user_email_lowercase", "ck_users_email_lowercase"),
        ("upgrade", "check_document_priority", "ck_documents_priority_range"),
        ("upgrade", "raise_document_priority_limit", "ck_documents_priority_range_new"),
        ("upgrade", "keep_audit_logs_of_deleted_users", "fk_audit_logs_user_id_new"),
        ("downgrade", "keep_audit_logs_of_deleted_users", "ck_audit_logs_user_id_not_null"),
        ("downgrade", "allow_unknown_file_size", "ck_documents_file_size_not_null"),
        ("upgrade", "unique_user_new_email", "ck_users_new_email_not_null"),
        ("downgrade", "contract_user_email", "ck_users_new_email_not_null"),
        ("upgrade", "index_category_id", "ck_categories_new_id_equal"),
        ("downgrade", "switch_category_id", "fk_documents_category_id"),
        ("upgrade", "require_renamed_note", "ck_page_notes_body_not_null"),
        ("downgrade", "drop_page_notes_fk", "fk_page_notes_document_id_page_number"),
    ],
)
def test_the_scan_is_not_repeated_when_the_lock_after_it_is_lost(
    server: Server, direction: str, slug: str, proof: str
) -> None:
    database = server.ready_for(slug, direction)
    valid = "SELECT oid FROM pg_constraint WHERE conname = :name AND convalidated"
    for statements in itertools.count():
        done = database.crash(slug, statements, direction)
        if proven := database.column(valid, name=proof):
            break
        assert not done, f"{proof} is never valid"
    database.crash(slug, statements, direction)
    assert database.column(valid, name=proof) == proven


# In a block the guard cannot have autovacuum give way before each statement: the revision has to.
IN_A_BLOCK = re.compile(r"DO \$\$((?!\$\$).)*?\bALTER TABLE (?P<table>[\w.]+)", re.DOTALL)


def sources(revision: Revision, direction: str) -> Iterator[str]:
    """Yield the source of a function of a revision, and of those that it calls."""
    file = revision.path.read_text(encoding="utf-8")
    source = ast.get_source_segment(file, revision.functions[direction]) or ""
    yield source
    for name, function in revision.functions.items():
        if re.search(rf"\b{name}\(", source) and name != direction:
            yield ast.get_source_segment(file, function) or ""


@pytest.mark.parametrize(
    ("slug", "direction"),
    [
        (revision.slug, direction)
        for revision in REVISIONS
        for direction in ("upgrade", "downgrade")
        if any(IN_A_BLOCK.search(source) for source in sources(revision, direction))
    ],
)
def test_nobody_queues_behind_a_revision_that_waits_for_autovacuum(
    server: Server, slug: str, direction: str
) -> None:
    database = server.ready_for(slug, direction)
    readers: list[Future[None]] = []
    ended = Event()
    locked: list[str] = []  # by an earlier statement of its transaction: no vacuum can begin

    def read(vacuum: Connection, table: str) -> None:
        with vacuum:
            wait_for(lambda: ended.is_set() or database.query(WAITS))  # a block may have nothing to do
            database.execute(f"SET lock_timeout = '1s'; LOCK TABLE {table} IN ACCESS SHARE MODE")

    def begin_vacuum(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if found := IN_A_BLOCK.search(statement):
            table, vacuum = found["table"], database.engine.connect()
            try:
                vacuum.execute(text(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT"))
            except OperationalError:
                vacuum.close()
                locked.append(table)
            else:
                readers.append(thread.submit(read, vacuum, table))

    event.listen(database.engine, "before_cursor_execute", begin_vacuum)
    with ThreadPoolExecutor(1) as thread:
        try:
            getattr(database, direction)(slug)
        finally:
            ended.set()
        for reader in readers:
            reader.result()
    assert readers or locked
