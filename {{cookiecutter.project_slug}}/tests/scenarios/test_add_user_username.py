"""A NOT NULL, unique column on a live table: expand, backfill, require, unique, contract."""

from uuid import UUID

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from migrate.run.settings import Settings
from tests.support import Database, Make, Server

USERNAMES = "SELECT id, username FROM users ORDER BY id"
FILE = "SELECT pg_relation_filenode('users')"


def old_code_inserts(database: Database, email: str) -> None:
    database.execute("INSERT INTO users (email, password) VALUES (:email, 'hash')", email=email)


def new_code_inserts(database: Database, email: str, username: str) -> None:
    database.execute(
        "INSERT INTO users (email, password, username) VALUES (:email, 'hash', :username)",
        email=email,
        username=username,
    )


def named(server: Server, emails: list[str]) -> list[str]:
    """Return the usernames that the backfill gives to users with these emails, in the order of ids."""
    database = server.before("backfill_user_username", rows=False)
    for number, email in enumerate(emails):
        database.insert("users", id=UUID(int=number), email=email, username=None)
    database.upgrade("backfill_user_username")
    return database.column("SELECT username FROM users ORDER BY id")


def test_the_naive_way_fails_on_the_first_row(before: Make) -> None:
    database = before("add_user_username")
    with pytest.raises(IntegrityError, match="contains null values"):
        database.execute("ALTER TABLE users ADD COLUMN username varchar(50) NOT NULL")


def test_existing_users_have_no_username_yet_and_are_not_rewritten(before: Make) -> None:
    database = before("add_user_username")
    file = database.value(FILE)
    database.upgrade("add_user_username")
    assert database.column("SELECT DISTINCT username FROM users") == [None]
    assert database.value(FILE) == file


def test_old_and_new_code_insert_users_at_every_step_up_and_down(before: Make) -> None:
    database = before("add_user_username")
    steps = (
        "add_user_username",
        "backfill_user_username",
        "require_user_username",
        "unique_user_username",
    )
    for step in steps:
        database.upgrade(step)
        old_code_inserts(database, f"old.up {step}")
        new_code_inserts(database, f"new.up {step}", f"chosen.up {step}")
    database.upgrade("drop_user_username_default")
    for undone, step in zip(["drop_user_username_default", *reversed(steps)], reversed(steps), strict=False):
        database.downgrade(undone)
        old_code_inserts(database, f"old.down {step}")
        new_code_inserts(database, f"new.down {step}", f"chosen.down {step}")
        assert (
            database.query(
                "SELECT email FROM users WHERE email ~ '^new' AND username <> 'chosen' || substr(email, 4)"
            )
            == []
        )
    database.upgrade("drop_user_username_default")
    assert database.value("SELECT count(*) FROM users WHERE email ~ '^(old|new)[.]'") == 16
    assert database.value("SELECT count(*) FROM users WHERE email ~ '^old[.]' AND username IS NULL") == 0
    assert database.value("SELECT count(*) = count(DISTINCT username) FROM users")


def test_after_the_last_step_a_forgotten_username_is_an_error(after: Make) -> None:
    database = after("drop_user_username_default")
    with pytest.raises(IntegrityError, match="null value in column"):
        old_code_inserts(database, "old@example.com")


def test_usernames_come_from_what_stands_before_the_at(server: Server) -> None:
    names = {
        "Ada.Lovelace@example.com": "ada.lovelace",
        " grace@example.com": "grace",
        "no-at-sign": "no-at-sign",
        "two@ats@example.com": "two",
        "müller@exämple.com": "müller",
        "名前@example.jp": "名前",
        "@example.com": "user",
        "l" * 243 + "@example.com": "l" * 50,
    }
    assert named(server, list(names)) == list(names.values())


def test_users_whose_emails_begin_alike_are_numbered_in_the_order_of_their_ids(server: Server) -> None:
    assert named(
        server,
        [
            "sam@example.com",
            "SAM@example.com",
            "sam-2@example.com",  # looks like the second sam
            "sam@example.org",
            "sam-3@example.com",
            "sam-9@example.com",
        ],
    ) == ["sam", "sam-2", "sam-2-2", "sam-3", "sam-3-2", "sam-9"]
    assert named(server, ["", "@", " @", "user@", "user-2@"]) == [
        "user",
        "user-2",
        "user-3",
        "user-4",
        "user-2-2",
    ]
    long = "l" * 50
    assert named(server, [long, long + "l", long]) == [long, "l" * 48 + "-2", "l" * 48 + "-3"]


def test_numbering_each_group_by_itself_gives_one_name_twice(server: Server) -> None:
    database = server.before("backfill_user_username", rows=False)
    for email in ("sam@example.com", "sam@example.org", "sam-2@example.com"):
        database.insert("users", email=email, username=None)
    database.execute(
        "UPDATE users SET username = name || CASE number WHEN 1 THEN '' ELSE '-' || number END FROM ("
        "SELECT id AS named, name, row_number() OVER (PARTITION BY name ORDER BY id) AS number "
        "FROM users, split_part(email, '@', 1) AS name) AS naive WHERE id = named"
    )
    with pytest.raises(IntegrityError, match=r"Key \(username\)=\(sam-2\) is duplicated"):
        database.upgrade("unique_user_username")


def test_usernames_that_new_code_has_given_are_kept_and_not_given_again(before: Make) -> None:
    database = before("backfill_user_username")
    for username in ("sam", "sam-3", "chosen"):
        new_code_inserts(database, f"new {username}", username)
    database.upgrade("backfill_user_username")
    assert database.column("SELECT username FROM users WHERE email ~ '^new ' ORDER BY 1") == [
        "chosen",
        "sam",
        "sam-3",
    ]
    assert database.column("SELECT username FROM users WHERE email ~ '^sam@' ORDER BY 1") == [
        "sam-2",
        "sam-4",
    ]
    database.upgrade("unique_user_username")


def test_the_backfill_reaches_every_row_of_many_batches_online_and_offline_alike(server: Server) -> None:
    online = server.before("backfill_user_username")
    for id_ in ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"):
        online.insert("users", id=id_, username=None, email="info@example.com")
    online.insert_many("users", 12345, username="NULL", email="'info@' || n")
    offline = server.create(online.url.database)
    online.upgrade("backfill_user_username")
    offline.offline_upgrade("backfill_user_username")
    info = online.column("SELECT username FROM users WHERE email ~ '^info@' ORDER BY id")
    assert info == ["info", *(f"info-{number}" for number in range(2, 12348))]
    assert online.value("SELECT count(*) FROM users WHERE username IS NULL") == 0
    assert online.query(USERNAMES) == offline.query(USERNAMES)


def test_an_interrupted_backfill_keeps_its_batches_and_gives_the_same_names_in_the_end(
    server: Server,
) -> None:
    database = server.before("backfill_user_username")
    database.insert_many("users", 12345, username="NULL", email="'info@' || n")
    undisturbed = server.create(database.url.database)
    undisturbed.upgrade("backfill_user_username")
    last = "SELECT id FROM users ORDER BY id DESC LIMIT 1"
    with database.engine.connect() as other, database.engine.connect() as runner:
        # The last batch meets a locked row and gives up, as it would by lock_timeout.
        other.execute(text(f"SELECT * FROM users WHERE id = ({last}) FOR UPDATE"))
        config = database.alembic()
        config.attributes["connection"] = runner
        config.attributes["settings"] = Settings(lock_timeout=0.1, attempts=1)
        with pytest.raises(CommandError, match="lock timeout"):
            command.upgrade(config, "+1")
        left = database.value("SELECT count(*) FROM users WHERE username IS NULL")
        assert 0 < left < 12000  # the first batches are done
        other.rollback()
        command.upgrade(config, "+1")  # goes on in the same session
    assert database.query(USERNAMES) == undisturbed.query(USERNAMES)
    database.execute("UPDATE users SET username = NULL WHERE username ~ '-1...$'")
    database.downgrade("backfill_user_username")
    database.upgrade("backfill_user_username")  # and in another
    assert database.query(USERNAMES) == undisturbed.query(USERNAMES)


def test_a_username_is_required(after: Make) -> None:
    database = after("require_user_username")
    with pytest.raises(IntegrityError, match="null value in column"):
        database.insert("users", username=None)


def test_a_user_without_a_username_stops_the_requirement_until_they_are_named(before: Make) -> None:
    database = before("require_user_username")
    database.insert("users", username=None)
    with pytest.raises(IntegrityError, match="ck_users_username_not_null"):
        database.upgrade("require_user_username")
    database.execute("UPDATE users SET username = 'late' WHERE username IS NULL")
    database.upgrade("require_user_username")


def test_two_users_with_one_name_stop_the_index_until_one_is_renamed(before: Make) -> None:
    database = before("unique_user_username")
    for email in ("first", "second"):
        new_code_inserts(database, email, "twice")
    with pytest.raises(IntegrityError, match=r"Key \(username\)=\(twice\) is duplicated"):
        database.upgrade("unique_user_username")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq_users_username'::regclass"
    assert database.value(valid) is False
    database.execute("UPDATE users SET username = 'once' WHERE email = 'second'")
    database.upgrade("unique_user_username")
    assert database.value(valid) is True


def test_a_username_is_given_once(after: Make) -> None:
    database = after("unique_user_username")
    new_code_inserts(database, "first", "ada")
    with pytest.raises(IntegrityError, match="uq_users_username"):
        new_code_inserts(database, "second", "ada")
    assert database.value("SELECT contype FROM pg_constraint WHERE conname = 'uq_users_username'") == "u"
    assert (
        database.value(
            "INSERT INTO users (email, password, username) VALUES ('third', 'hash', 'ada') "
            "ON CONFLICT ON CONSTRAINT uq_users_username DO UPDATE SET phone = 'met' RETURNING email"
        )
        == "first"
    )


def test_users_are_read_while_the_index_is_built(before: Make) -> None:
    database = before("unique_user_username")
    with database.engine.connect() as naive, database.engine.connect() as reader:
        naive.execute(text("ALTER TABLE users ADD CONSTRAINT naive UNIQUE (username)"))
        reader.execute(text("SET lock_timeout = '100ms'"))
        reader.commit()
        with pytest.raises(OperationalError, match="lock timeout"):
            reader.execute(text("SELECT count(*) FROM users"))
        naive.rollback()
        reader.rollback()
        with database.engine.connect() as build:
            build = build.execution_options(isolation_level="AUTOCOMMIT")
            build.execute(text("CREATE UNIQUE INDEX CONCURRENTLY uq_users_username ON users (username)"))
        naive.execute(
            text("ALTER TABLE users ADD CONSTRAINT uq_users_username UNIQUE USING INDEX uq_users_username")
        )
        naive.rollback()
    # The index of a run that stopped before it was attached is built anew.
    database.upgrade("unique_user_username")
    indexes = "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'users'::regclass ORDER BY 1"
    assert database.column(indexes) == ["idx_users_created_at", "pk_users", "uq_users_username"]
