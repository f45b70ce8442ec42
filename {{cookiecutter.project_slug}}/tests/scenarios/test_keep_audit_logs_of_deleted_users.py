"""Another ON DELETE for a live foreign key: the audit log outlives its user."""

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import Database, Make

KEYS = (
    "SELECT conname::text, confdeltype::text, convalidated FROM pg_constraint "
    "WHERE conrelid = 'audit_logs'::regclass AND contype = 'f'"
)


def delete_a_user_with_a_log(database: Database) -> None:
    user = database.insert("users", email="leaver@example.com")
    database.insert("audit_logs", user_id=user, action="leave")
    database.execute("DELETE FROM users WHERE id = :id", id=user)


def test_before_it_the_log_went_with_the_user(before: Make) -> None:
    database = before("keep_audit_logs_of_deleted_users")
    delete_a_user_with_a_log(database)
    assert database.query("SELECT user_id FROM audit_logs WHERE action = 'leave'") == []


def test_the_log_outlives_its_user(before: Make) -> None:
    database = before("keep_audit_logs_of_deleted_users")
    rows = database.rows()
    database.upgrade("keep_audit_logs_of_deleted_users")
    assert database.rows() == rows
    delete_a_user_with_a_log(database)
    assert database.query("SELECT user_id FROM audit_logs WHERE action = 'leave'") == [(None,)]


def test_there_is_one_key_by_the_old_name(after: Make) -> None:
    database = after("keep_audit_logs_of_deleted_users")
    assert database.query(KEYS) == [("fk_audit_logs_user_id", "n", True)]
    with pytest.raises(IntegrityError, match="fk_audit_logs_user_id"):
        database.insert("audit_logs", user_id="00000000-0000-0000-0000-000000000000")


def test_the_table_is_never_without_a_key(before: Make) -> None:
    for statements in range(1, 8):
        database = before("keep_audit_logs_of_deleted_users")
        database.crash("keep_audit_logs_of_deleted_users", statements)
        assert database.query(KEYS), f"after {statements} statements"


def test_the_way_back_refuses_rather_than_delete_the_log(after: Make) -> None:
    database = after("keep_audit_logs_of_deleted_users")
    delete_a_user_with_a_log(database)
    schema, rows = database.schema(), database.rows()
    with pytest.raises(DBAPIError, match="audit_logs has rows of users who were deleted"):
        database.downgrade("keep_audit_logs_of_deleted_users")
    assert (database.schema(), database.rows()) == (schema, rows)
    database.execute("DELETE FROM audit_logs WHERE user_id IS NULL")
    database.downgrade("keep_audit_logs_of_deleted_users")
    assert database.query(KEYS) == [("fk_audit_logs_user_id", "c", True)]
    with pytest.raises(IntegrityError, match="null value in column"):
        database.insert("audit_logs", user_id=None)
