"""Password hashes move to a table of their own, and no code and no user is locked out."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support import BY_SLUG, Database, Make, offline_script, wait_for

STEPS = ["create_auth_providers", "move_password_hashes", "drop_user_password"]
PASSWORD = "SELECT password FROM users WHERE id = :id"
CREDENTIALS = "SELECT credentials FROM auth_providers WHERE user_id = :id AND provider = 'local'"
IN_STEP = (
    "SELECT count(*) FROM users u FULL JOIN (SELECT * FROM auth_providers WHERE provider = 'local') p "
    "ON p.user_id = u.id WHERE p.credentials IS DISTINCT FROM u.password"
)


def old_code(database: Database, name: str) -> None:
    """Signs somebody up, and changes the password of somebody else, as before."""
    database.insert("users", email=f"old.{name}@example.com", password=f"old {name}")
    database.execute("UPDATE users SET password = :new WHERE email = 'sam@example.com'", new=f"sam {name}")


def new_code(database: Database, name: str) -> None:
    """Does the same without knowing users.password."""
    user = database.insert("users", email=f"new.{name}@example.com")
    database.execute(
        "INSERT INTO auth_providers (user_id, provider, credentials) VALUES (:id, 'local', :new)",
        id=user,
        new=f"new {name}",
    )
    database.execute(
        "INSERT INTO auth_providers (user_id, provider, credentials) "
        "SELECT id, 'local', :new FROM users WHERE email = 'sam@example.org' "
        "ON CONFLICT (user_id, provider) DO UPDATE SET credentials = excluded.credentials",
        new=f"sam {name}",
    )


def test_every_user_has_the_hash_they_had_and_it_comes_back(before: Make) -> None:
    database = before("create_auth_providers")
    database.insert_many("users", 12345, password="'hash ' || n")
    hashes = "SELECT id, password FROM users ORDER BY id"
    earlier = database.query(hashes)
    database.upgrade("drop_user_password")
    assert earlier == database.query(
        "SELECT user_id, credentials FROM auth_providers WHERE provider = 'local' ORDER BY user_id"
    )
    database.downgrade("create_auth_providers")
    assert database.query(hashes) == earlier


def test_old_and_new_code_run_between_all_steps_in_both_directions(before: Make) -> None:
    database = before("create_auth_providers")
    old_code(database, "0")
    database.upgrade("create_auth_providers")
    old_code(database, "1")
    new_code(database, "1")
    database.upgrade("move_password_hashes")
    old_code(database, "2")
    new_code(database, "2")
    assert database.value(IN_STEP) == 0
    database.upgrade("drop_user_password")
    new_code(database, "3")
    database.downgrade("drop_user_password")
    old_code(database, "4")
    new_code(database, "4")
    assert database.value(IN_STEP) == 0
    database.downgrade("move_password_hashes")
    old_code(database, "5")
    new_code(database, "5")
    database.downgrade("create_auth_providers")
    old_code(database, "6")
    assert database.query(
        "SELECT email, password FROM users WHERE password ~ '^(old|new|sam) ' ORDER BY email"
    ) == [
        *((f"new.{n}@example.com", f"new {n}") for n in range(1, 6)),
        *((f"old.{n}@example.com", f"old {n}") for n in (0, 1, 2, 4, 5, 6)),
        ("sam@example.com", "sam 6"),
        ("sam@example.org", "sam 5"),
    ]


def test_the_backfill_does_not_undo_a_change_made_meanwhile(before: Make) -> None:
    database = before("move_password_hashes")
    user = database.value("SELECT id FROM users WHERE email = 'sam@example.com'")
    database.execute("UPDATE users SET password = 'changed' WHERE id = :id", id=user)
    database.upgrade("move_password_hashes")
    assert database.value(CREDENTIALS, id=user) == "changed"


@pytest.mark.parametrize(
    "first",
    [
        "UPDATE users SET phone = '1' WHERE id = :id",
        "SELECT FROM auth_providers WHERE user_id = :id FOR UPDATE",  # then a trigger writes to users
    ],
)
def test_code_that_writes_to_both_tables_is_not_deadlocked_by_the_copy_on_the_way_back(
    after: Make, first: str
) -> None:
    database = after("drop_user_password")
    user = database.value("SELECT user_id FROM auth_providers WHERE provider = 'local' LIMIT 1")
    database.crash("drop_user_password", 5, "downgrade")  # all is there but the copies
    script = offline_script(BY_SLUG["drop_user_password"], "downgrade")
    blocks = re.findall(r"^\s*DO \$\$.*?END\s+\$\$;", script, re.DOTALL | re.MULTILINE)
    [copy] = [block for block in blocks if "batch_size" in block]
    waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as thread, database.engine.connect() as code:
        code.execute(text(first), {"id": user})
        copying = thread.submit(database.psql, copy)
        wait_for(lambda: copying.done() or database.query(waits))
        code.execute(text("UPDATE auth_providers SET credentials = 'new' WHERE user_id = :id"), {"id": user})
        code.commit()
        copying.result()
    assert database.value(PASSWORD, id=user) == "new"


def test_who_has_no_password_cannot_log_in_with_one(before: Make) -> None:
    database = before("drop_user_password")
    user = database.insert("users", email="google@example.com")
    database.insert("auth_providers", user_id=user, provider="google", credentials="subject")
    assert database.value(PASSWORD, id=user) == "!"
    database.upgrade("drop_user_password")
    database.downgrade("drop_user_password")
    assert database.value(PASSWORD, id=user) == "!"
    assert database.query(CREDENTIALS, id=user) == []


def test_the_way_back_refuses_while_a_credential_is_too_long_for_the_column(after: Make) -> None:
    database = after("drop_user_password")
    long = database.value("SELECT id FROM auth_providers WHERE provider = 'local' LIMIT 1")
    database.execute("UPDATE auth_providers SET credentials = repeat('x', 300) WHERE id = :id", id=long)
    was = database.snapshot()
    with pytest.raises(DBAPIError, match="more than 255 characters"):
        database.downgrade("drop_user_password")
    assert database.snapshot() == was


def test_the_triggers_find_their_tables_whatever_the_search_path_of_the_writer(after: Make) -> None:
    database = after("create_auth_providers")
    with database.engine.begin() as code:
        code.execute(text("SET LOCAL search_path = ''"))
        code.execute(text("UPDATE public.users SET password = 'elsewhere'"))
        code.execute(text("UPDATE public.auth_providers SET credentials = 'back'"))
    assert database.column("SELECT DISTINCT password FROM users") == ["back"]


def test_a_password_that_new_code_removes_is_gone_for_old_code(after: Make) -> None:
    database = after("move_password_hashes")
    user = database.value("SELECT id FROM users WHERE email = 'sam@example.com'")
    database.execute("DELETE FROM auth_providers WHERE user_id = :id AND provider = 'local'", id=user)
    assert database.value(PASSWORD, id=user) == "!"


@pytest.mark.parametrize("step", STEPS)
def test_a_user_can_be_deleted_at_every_step(after: Make, step: str) -> None:
    database = after(step)
    user = database.value("SELECT user_id FROM auth_providers LIMIT 1")
    database.execute("DELETE FROM users WHERE id = :id", id=user)
    assert database.value("SELECT count(*) FROM auth_providers WHERE user_id = :id", id=user) == 0


def test_no_hash_is_in_a_log_line(before: Make, caplog: pytest.LogCaptureFixture) -> None:
    database = before("create_auth_providers")
    with caplog.at_level(logging.DEBUG):
        database.engine.echo = "debug"
        database.upgrade("drop_user_password")
        database.downgrade("create_auth_providers")
    assert "move_password_hashes" in caplog.text
    assert "$argon2id$" not in caplog.text
