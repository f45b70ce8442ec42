"""A longer varchar, and why a shorter one is another matter."""

import pytest
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DataError, DBAPIError

from postgres.errors import PostgresError
from tests.support import Make, Server

FILES = "SELECT pg_relation_filenode('users'), pg_relation_filenode('uq_users_username')"


def test_neither_the_table_nor_its_index_is_rewritten(before: Make) -> None:
    database = before("widen_user_username")
    files, names = database.query(FILES), database.query("SELECT id, username FROM users ORDER BY id")
    database.upgrade("widen_user_username")
    assert database.query(FILES) == files
    assert database.query("SELECT id, username FROM users ORDER BY id") == names


def test_a_check_is_validated_again(before: Make) -> None:
    database = before("widen_user_username")
    database.execute("ALTER TABLE users ADD CONSTRAINT seen CHECK (length(username) >= 0)")
    read = "SELECT pg_stat_get_xact_tuples_returned('users'::regclass)"
    users = database.value("SELECT count(*) FROM users")
    with database.engine.connect() as connection:
        connection.execute(text("ALTER TABLE users ALTER COLUMN username TYPE varchar(150)"))
        assert connection.scalar(text(read)) == users


def test_a_name_of_150_characters_fits_and_one_of_151_does_not(before: Make) -> None:
    database = before("widen_user_username")
    with pytest.raises(DataError, match="too long"):
        database.insert("users", username="ü" * 51)
    database.upgrade("widen_user_username")
    user = database.insert("users", username="ü" * 150)
    assert database.value("SELECT username FROM users WHERE id = :id", id=user) == "ü" * 150
    with pytest.raises(DataError, match="too long"):
        database.insert("users", username="ü" * 151)


@pytest.mark.parametrize("name", ["x" * 51, "x" * 50 + " "], ids=["letters", "a blank at the end"])
@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_the_way_back_refuses_rather_than_cut_a_name(server: Server, name: str, *, offline: bool) -> None:
    database = server.after("widen_user_username")
    database.insert("users", username=name)
    schema, rows = database.schema(), database.rows()
    with pytest.raises((CommandError, DBAPIError, PostgresError), match="more than 50 characters"):
        (database.offline_downgrade if offline else database.downgrade)("widen_user_username")
    assert (database.schema(), database.rows()) == (schema, rows)


def test_postgresql_itself_would_cut_blanks_in_silence(after: Make) -> None:
    database = after("widen_user_username")
    user = database.insert("users", username="x" * 50 + " ")
    database.execute("ALTER TABLE users ALTER COLUMN username TYPE varchar(50)")
    assert database.value("SELECT username FROM users WHERE id = :id", id=user) == "x" * 50


def test_the_way_back_rewrites_the_table(after: Make) -> None:
    database = after("widen_user_username")
    files = database.query(FILES)
    database.downgrade("widen_user_username")
    assert database.query(FILES) != files
