"""Code that uses a table and then its child has no error from any revision that locks both."""

import pytest
from sqlalchemy import text

from tests.support import Make

UPGRADES = [
    ("require_user_role", "roles", "users"),
    ("add_document_category_fk", "categories", "documents"),
    ("keep_audit_logs_of_deleted_users", "users", "audit_logs"),
    ("drop_user_password", "users", "auth_providers"),
    ("add_webhook_deliveries_partition", "webhooks", "webhook_deliveries"),
    ("add_webhook_deliveries_partition", "webhook_deliveries", "webhook_deliveries_default"),
    ("detach_webhook_deliveries_partition", "webhooks", "webhook_deliveries"),
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
]


@pytest.mark.parametrize(
    ("direction", "slug", "parent", "child"),
    [("upgrade", *case) for case in UPGRADES] + [("downgrade", *case) for case in DOWNGRADES],
    ids=str,
)
def test_the_parent_is_locked_first(
    before: Make, after: Make, direction: str, slug: str, parent: str, child: str
) -> None:
    database = (before if direction == "upgrade" else after)(slug)
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
    before: Make, after: Make, direction: str, slug: str, table: str
) -> None:
    database = (before if direction == "upgrade" else after)(slug)
    with database.engine.connect() as code:
        code.execute(text(f"SELECT FROM {table} LIMIT 1"))
        with database.while_it_waits(slug, direction):
            code.execute(text(f"DELETE FROM {table} WHERE false"))
            code.commit()
