"""A column is replaced while two versions of the code read and write, each by its own name of it."""

import itertools
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from tests.support import Database, Make

# The steps after which two versions run: one that knows email, one that knows new_email.
STEPS = ("expand_user_email", "backfill_user_email", "unique_user_new_email", "switch_user_email")
CODES = ("email", "new_email")


def insert(database: Database, code: str, email: str | None) -> Any:
    """Insert a user as the code does that knows this column only."""
    return database.insert("users", **{**dict.fromkeys(CODES), code: email})


def test_neither_code_loses_a_write_between_any_two_steps(before: Make) -> None:
    database = before("expand_user_email")
    emails = {database.insert("users", email="early@example.com"): "early@example.com"}
    for step in STEPS:
        database.upgrade(step)
        for writer, reader in itertools.product(CODES, CODES):
            inserted = f"{writer}.{reader}.{step}@example.com"
            user = insert(database, writer, inserted)
            assert database.value(f"SELECT id FROM users WHERE {reader} = :email", email=inserted) == user
            changed = f"changed.{inserted}"
            database.execute(f"UPDATE users SET {reader} = :email WHERE id = :id", email=changed, id=user)
            assert database.value(f"SELECT {writer} FROM users WHERE id = :id", id=user) == changed
            emails[user] = changed
        # What neither of them writes, neither of them loses.
        database.execute("UPDATE users SET phone = '1'")
        if step != "expand_user_email":
            assert not database.query("SELECT FROM users WHERE email IS DISTINCT FROM new_email")
    database.upgrade("contract_user_email")
    emails[database.insert("users", email="late@example.com")] = "late@example.com"
    for user, email in emails.items():
        assert database.value("SELECT email FROM users WHERE id = :id", id=user) == email


def test_nor_on_the_way_back(after: Make) -> None:
    database = after("contract_user_email")
    emails = {database.insert("users", email="head@example.com"): "head@example.com"}
    for step in ("contract_user_email", "switch_user_email", "unique_user_new_email", "backfill_user_email"):
        database.downgrade(step)
        for writer, reader in itertools.product(CODES, CODES):
            email = f"{writer}.{reader}.{step}@example.com"
            user = insert(database, writer, email)
            assert database.value(f"SELECT id FROM users WHERE {reader} = :email", email=email) == user
            database.execute(f"UPDATE users SET {reader} = 'x' || {reader} WHERE id = :id", id=user)
            emails[user] = f"x{email}"
    database.downgrade("expand_user_email")
    for user, email in emails.items():
        assert database.value("SELECT email FROM users WHERE id = :id", id=user) == email


def test_sessions_that_stay_open_write_before_and_after_every_step(before: Make) -> None:
    database = before("expand_user_email")
    user = database.insert("users", email="open")
    with database.engine.connect() as first, database.engine.connect() as second:
        for session in (first, second):
            session.execution_options(isolation_level="AUTOCOMMIT")

        def write(session: Connection, code: str, email: str) -> None:
            session.execute(
                text(f"UPDATE users SET {code} = :email WHERE id = :id"), {"email": email, "id": user}
            )

        for step in STEPS:
            write(first, "email", f"before {step}")
            database.upgrade(step)
            for session, code, other in [(first, "email", "new_email"), (second, "new_email", "email")]:
                write(session, code, f"{code} after {step}")
                found = database.value(f"SELECT {other} FROM users WHERE id = :id", id=user)
                assert found == f"{code} after {step}"
        database.upgrade("contract_user_email")
        write(first, "email", "at the end")
        database.downgrade("contract_user_email")
        for step in reversed(STEPS):
            write(first, "email", f"back before {step}")
            write(second, "new_email", f"back before {step}, too")
            database.downgrade(step)
            assert database.value("SELECT email FROM users WHERE id = :id", id=user).endswith(", too")


def test_without_compiling_the_function_anew_every_open_session_would_fail(after: Make) -> None:
    database = after("unique_user_new_email")
    with database.engine.connect() as session:
        session.execution_options(isolation_level="AUTOCOMMIT")
        write = text("UPDATE users SET email = 'again ' || id")
        session.execute(write)
        database.execute(
            "ALTER TABLE users RENAME COLUMN email TO old; "
            "ALTER TABLE users RENAME COLUMN new_email TO email; "
            "ALTER TABLE users RENAME COLUMN old TO new_email"
        )
        with pytest.raises(ProgrammingError, match="does not match that when preparing the plan"):
            session.execute(write)


def test_without_the_trigger_what_old_code_writes_after_the_backfill_is_lost(before: Make) -> None:
    database = before("expand_user_email")
    user = database.insert("users", email="old")
    database.execute("ALTER TABLE users ADD COLUMN new_email text")
    database.execute("UPDATE users SET new_email = email WHERE new_email IS NULL")
    database.execute("UPDATE users SET email = 'changed' WHERE id = :id", id=user)
    assert database.value("SELECT new_email FROM users WHERE id = :id", id=user) == "old"
    # And once it is required, old code can insert no more.
    database.execute("ALTER TABLE users ALTER COLUMN new_email SET NOT NULL")
    with pytest.raises(IntegrityError, match="null value"):
        database.insert("users", email="another", new_email=None)


def test_the_naive_contract_breaks_the_code_that_uses_the_new_column(after: Make) -> None:
    database = after("unique_user_new_email")
    database.execute("DROP TRIGGER users_sync_email ON users; ALTER TABLE users DROP COLUMN email")
    database.execute("ALTER TABLE users RENAME COLUMN new_email TO email")
    with pytest.raises(ProgrammingError, match="new_email"):
        database.execute("UPDATE users SET new_email = new_email")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", CODES)
def test_the_rules_hold_under_both_names_at_every_step(after: Make, step: str, code: str) -> None:
    database = after(step)
    insert(database, code, "one@example.com")
    for other in CODES:
        with pytest.raises(IntegrityError, match=r"uq_users_(new_)?email"):
            insert(database, other, "one@example.com")
    with pytest.raises(IntegrityError, match="email_lowercase"):
        insert(database, code, "Two@example.com")
    with pytest.raises(IntegrityError, match="null value"):
        insert(database, code, None)


def test_both_names_are_found_by_an_index_before_code_relies_on_them(after: Make) -> None:
    for step in ("unique_user_new_email", "switch_user_email"):
        database = after(step)
        database.insert_many("users", 5000, email="'user ' || n", new_email="'user ' || n")
        database.execute("ANALYZE users")
        for code in CODES:
            plan = database.plan(f"SELECT id FROM users WHERE {code} = 'user 42'")
            assert f"uq_users_{code}" in plan


def test_the_backfill_reaches_every_row_and_looks_like_no_edit(before: Make) -> None:
    database = before("expand_user_email")
    database.insert_many("users", 12345, email="'user ' || n", updated_at="timestamp '2001-01-01'")
    others = "SELECT to_jsonb(u) - 'new_email' FROM users u ORDER BY id"
    was = database.query(others)
    database.upgrade("backfill_user_email")
    assert not database.query("SELECT FROM users WHERE new_email IS DISTINCT FROM email")
    assert database.query(others) == was
    database.upgrade("contract_user_email")
    database.downgrade("contract_user_email")
    assert not database.query("SELECT FROM users WHERE new_email IS DISTINCT FROM email")
    assert database.query(others) == was


def test_the_setting_of_the_backfill_does_not_stay_behind(before: Make) -> None:
    database = before("backfill_user_email")
    setting = "SELECT current_setting('app.keep_updated_at', true)"
    with database.engine.connect() as session:
        config = database.alembic()
        config.attributes["connection"] = session
        command.upgrade(config, "+1")
        assert session.execute(text(setting)).scalar() in (None, "")


def test_in_the_end_there_is_one_column_of_another_type_and_it_was_never_rewritten(before: Make) -> None:
    database = before("expand_user_email")
    file = database.value("SELECT pg_relation_filenode('users')")
    emails = database.query("SELECT id, email FROM users ORDER BY id")
    database.upgrade("contract_user_email")
    assert database.query(
        "SELECT column_name::text, data_type::text, is_nullable::text FROM information_schema.columns "
        "WHERE table_name = 'users' AND column_name LIKE '%email%'"
    ) == [("email", "text", "NO")]
    assert database.query(
        "SELECT conname::text, pg_get_constraintdef(oid), convalidated FROM pg_constraint "
        "WHERE conrelid = 'users'::regclass AND conname LIKE '%email%' ORDER BY 1"
    )[:2] == [
        ("ck_users_email_lowercase", "CHECK ((email = lower(email)))", True),
        ("uq_users_email", "UNIQUE (email)", True),
    ]
    assert not database.query("SELECT FROM pg_class WHERE relname LIKE '%new_email%'")
    assert not database.query("SELECT FROM pg_constraint WHERE conname LIKE '%new_email%'")
    assert not database.query("SELECT FROM pg_trigger WHERE tgname LIKE '%email%'")
    assert not database.query("SELECT FROM pg_proc WHERE proname LIKE '%email%'")
    assert database.query("SELECT id, email FROM users ORDER BY id") == emails
    assert database.value("SELECT pg_relation_filenode('users')") == file


def test_a_long_email_is_refused_until_the_contract_and_never_cut(after: Make) -> None:
    long = "l" * 255 + "@example.com"
    for step in STEPS:
        database = after(step)
        for code in CODES:
            with pytest.raises(DataError, match="too long"):
                insert(database, code, long)
    database = after("contract_user_email")
    user = database.insert("users", email=long)
    assert database.value("SELECT email FROM users WHERE id = :id", id=user) == long


def test_the_way_back_refuses_while_an_email_is_too_long_and_changes_nothing(after: Make) -> None:
    database = after("contract_user_email")
    user = database.insert("users", email="l" * 255 + "@example.com")
    schema, rows = database.schema(), database.rows()
    with pytest.raises(SQLAlchemyError, match="longer than 255 characters: shorten them first"):
        database.downgrade("contract_user_email")
    assert (database.schema(), database.rows()) == (schema, rows)
    database.execute("UPDATE users SET email = 'short@example.com' WHERE id = :id", id=user)
    database.downgrade("contract_user_email")
    assert database.value("SELECT new_email FROM users WHERE id = :id", id=user) == "short@example.com"
