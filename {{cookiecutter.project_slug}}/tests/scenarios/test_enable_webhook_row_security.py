"""Row security: users and their own webhooks, by a setting rather than by roles."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tests.support import Database, Make

OF_THE_USER = "SELECT count(*) FROM webhooks WHERE user_id = :user"
ALL = "SELECT count(*) FROM webhooks"


@contextmanager
def roles(database: Database) -> Iterator[dict[str, str]]:
    """Give the table an owner that is no superuser, and make a role for the application."""
    names = {kind: f"{database.url.database}_{kind}" for kind in ("owner", "app")}
    for name in names.values():
        database.execute(f'CREATE ROLE "{name}"')
    try:
        database.execute(f'ALTER TABLE webhooks OWNER TO "{names["owner"]}"')
        database.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks TO "{names["app"]}"')
        yield names
    finally:
        database.execute(f'REASSIGN OWNED BY "{names["owner"]}" TO CURRENT_USER')
        for name in names.values():
            database.execute(f'DROP OWNED BY "{name}"')
            database.execute(f'DROP ROLE "{name}"')


@contextmanager
def transaction(database: Database, role: str, user: UUID | None) -> Iterator[Connection]:
    """One transaction of the application, as it is told to begin."""
    with database.engine.connect() as connection, connection.begin():
        connection.execute(text(f'SET LOCAL ROLE "{role}"'))
        if user:
            connection.execute(text("SELECT set_config('app.user_id', :user, true)"), {"user": str(user)})
        yield connection


@pytest.fixture
def database(before: Make) -> Database:
    """Webhooks of several users, not yet separated."""
    return before("enable_webhook_row_security")


@pytest.fixture
def users(database: Database) -> list[UUID]:
    """Two users who have webhooks."""
    return database.column("SELECT user_id FROM webhooks GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2")


def test_a_user_sees_and_changes_their_own_rows_and_no_others(database: Database, users: list[UUID]) -> None:
    one, other = users
    own = database.value(OF_THE_USER, user=one)
    database.upgrade("enable_webhook_row_security")
    with roles(database) as role:
        with transaction(database, role["app"], one) as connection:
            assert connection.scalar(text(ALL)) == own > 0
            assert connection.execute(text("UPDATE webhooks SET name = 'mine'")).rowcount == own
            assert connection.execute(text("DELETE FROM webhooks WHERE name <> 'mine'")).rowcount == 0
        for statement in (
            f"INSERT INTO webhooks (user_id, name, url, events) VALUES ('{other}', 'his', 'https', '{{}}')",
            f"UPDATE webhooks SET user_id = '{other}'",
        ):
            with (
                pytest.raises(DBAPIError, match="row-level security"),
                transaction(database, role["app"], one) as connection,
            ):
                connection.execute(text(statement))
    assert database.value("SELECT count(*) FROM webhooks WHERE name = 'mine'") == own
    assert database.value(OF_THE_USER, user=other) > 0


def test_without_the_setting_there_are_no_rows_nor_after_it_is_over(
    database: Database, users: list[UUID]
) -> None:
    database.upgrade("enable_webhook_row_security")
    with roles(database) as role:
        with transaction(database, role["app"], None) as connection:
            assert connection.scalar(text(ALL)) == 0
        with database.engine.connect() as pooled:
            for user, seen in ((users[0], True), (None, False)):
                with pooled.begin():
                    pooled.execute(text(f'SET LOCAL ROLE "{role["app"]}"'))
                    if user:
                        pooled.execute(
                            text("SELECT set_config('app.user_id', :user, true)"), {"user": str(user)}
                        )
                    assert bool(pooled.scalar(text(ALL))) is seen


def test_the_owner_sees_all_rows_unless_it_is_forced(database: Database) -> None:
    everything = database.value(ALL)
    database.upgrade("enable_webhook_row_security")
    with roles(database) as role:
        with transaction(database, role["owner"], None) as connection:
            assert connection.scalar(text(ALL)) == everything
        database.execute("ALTER TABLE webhooks FORCE ROW LEVEL SECURITY")
        with transaction(database, role["owner"], None) as connection:
            # A backfill would do nothing, and say that it succeeded.
            assert connection.execute(text("UPDATE webhooks SET name = name")).rowcount == 0


def test_enabled_without_a_policy_it_hides_every_row(database: Database, users: list[UUID]) -> None:
    database.execute("ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY")
    with roles(database) as role, transaction(database, role["app"], users[0]) as connection:
        assert connection.scalar(text(ALL)) == 0


def test_the_search_for_ones_own_rows_uses_the_index(database: Database, users: list[UUID]) -> None:
    database.insert_many("webhooks", 20000, user_id="(ARRAY(SELECT id FROM users ORDER BY id))[1 + n % 50]")
    database.execute("ANALYZE webhooks")
    database.upgrade("enable_webhook_row_security")
    with roles(database) as role, transaction(database, role["app"], users[0]) as connection:
        assert "idx_webhooks_user_id" in "\n".join(connection.scalars(text("EXPLAIN SELECT * FROM webhooks")))


def test_lifted_everybody_sees_all_rows_again(database: Database) -> None:
    everything = database.value(ALL)
    database.upgrade("drop_webhook_row_security")
    with roles(database) as role, transaction(database, role["app"], None) as connection:
        assert connection.scalar(text(ALL)) == everything
