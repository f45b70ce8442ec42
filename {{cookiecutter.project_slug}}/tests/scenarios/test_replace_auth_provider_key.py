"""The primary key of a live table is replaced, and what names its rows in a replication with it."""

import itertools

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import Database, Make, Server

STEPS = SET, SLUG = "set_replica_identity_of_auth_providers", "replace_auth_provider_key"
IDENTITY = """
    SELECT relreplident, indexrelid::regclass::text
    FROM pg_class AS c LEFT JOIN pg_index ON indrelid = c.oid AND indisreplident
    WHERE c.oid = 'auth_providers'::regclass
"""
KEY = """
    SELECT array_agg(attname::text ORDER BY attnum) FROM pg_constraint JOIN pg_attribute
    ON attrelid = conrelid AND attnum = ANY (conkey)
    WHERE conrelid = 'auth_providers'::regclass AND contype = :type
"""
UPSERT = """
    INSERT INTO auth_providers (user_id, provider, credentials) SELECT id, 'local', 'new' FROM users
    ON CONFLICT (user_id, provider) DO UPDATE SET credentials = excluded.credentials
"""
PUBLISH = "CREATE PUBLICATION changes FOR TABLE auth_providers"
EDIT = "UPDATE auth_providers SET credentials = 'edited'"


def test_the_rules_change_places(before: Make) -> None:
    database = before(SLUG)
    assert database.value(KEY, type="p") == ["id"]
    database.upgrade(SLUG)
    assert database.value(KEY, type="p") == ["user_id", "provider"]
    assert database.value(KEY, type="u") == ["id"]


@pytest.mark.parametrize("slug", STEPS)
def test_both_rules_hold_before_and_after(after: Make, slug: str) -> None:
    database = after(slug)
    id_, user, provider = database.query("SELECT id, user_id, provider FROM auth_providers LIMIT 1")[0]
    with pytest.raises(IntegrityError, match=r"pk_auth_providers|uq_auth_providers_id"):
        database.insert("auth_providers", id=id_, user_id=user, provider="another")
    with pytest.raises(IntegrityError, match=r"pk_auth_providers|uq_auth_providers_user_id_provider"):
        database.insert("auth_providers", user_id=user, provider=provider)


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_both_rules_hold_while_the_indexes_are_built(server: Server, direction: str) -> None:
    database = server.ready_for(SLUG, direction)
    id_, user, provider = database.query("SELECT id, user_id, provider FROM auth_providers LIMIT 1")[0]
    for statements in itertools.count():
        done = database.crash(SLUG, statements, direction)
        for given in ({"id": id_, "provider": "another"}, {"provider": provider}):
            with pytest.raises(IntegrityError, match="auth_providers"):
                database.insert("auth_providers", user_id=user, **given)
        database.execute(UPSERT)
        if done:
            break
    assert statements > 5


def test_on_conflict_finds_the_columns_before_and_after(before: Make) -> None:
    database = before(SLUG)
    with database.engine.connect() as session:
        session.execution_options(isolation_level="AUTOCOMMIT")
        for move in (None, database.upgrade, database.downgrade):
            if move:
                move(SLUG)
            session.execute(text(UPSERT))


def test_a_published_table_is_written_at_every_step(before: Make) -> None:
    database = before(SET)
    database.execute(PUBLISH)
    identities = []
    for slug in STEPS:
        database.upgrade(slug)
        database.execute(EDIT)
        identities += database.query(IDENTITY)
    assert identities == [("i", "uq_auth_providers_user_id_provider"), ("d", None)]
    database.downgrade(SLUG)
    database.execute(EDIT)
    assert database.query(IDENTITY) == identities[:1]


def test_without_the_identity_going_back_to_the_key_each_update_would_fail(before: Make) -> None:
    database = before(SLUG)
    database.execute(PUBLISH)
    database.execute("ALTER TABLE auth_providers DROP CONSTRAINT uq_auth_providers_user_id_provider")
    with pytest.raises(DBAPIError, match="does not have a replica identity"):
        database.execute(EDIT)


def test_a_query_may_group_by_either(after: Make) -> None:
    database: Database = after(SLUG)
    assert database.query("SELECT credentials FROM auth_providers GROUP BY user_id, provider")
    with pytest.raises(DBAPIError, match="must appear in the GROUP BY"):  # as code of before did
        database.query("SELECT credentials FROM auth_providers GROUP BY id")
