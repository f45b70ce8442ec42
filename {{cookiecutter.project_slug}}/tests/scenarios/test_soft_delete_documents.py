"""Deleting without losing, and a rule for what is live only."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.support import Make

INDEX = "uq_webhooks_user_id_url_active"


def test_every_document_is_there_until_it_is_deleted(before: Make) -> None:
    database = before("soft_delete_documents")
    documents = database.value("SELECT count(*) FROM documents")
    database.upgrade("soft_delete_documents")
    assert database.value("SELECT count(*) FROM documents WHERE deleted_at IS NULL") == documents


def test_a_deleted_document_keeps_its_pages_and_comes_back(after: Make) -> None:
    database = after("soft_delete_documents")
    document = database.value("SELECT document_id FROM document_pages LIMIT 1")
    pages = "SELECT count(*) FROM document_pages WHERE document_id = :id"
    kept = database.value(pages, id=document)
    moment = datetime(2025, 3, 30, 1, 30, tzinfo=UTC)
    database.execute("UPDATE documents SET deleted_at = :at WHERE id = :id", at=moment, id=document)
    assert database.value("SELECT deleted_at FROM documents WHERE id = :id", id=document) == moment
    assert database.value(pages, id=document) == kept
    database.downgrade("soft_delete_documents")
    assert database.value("SELECT count(*) FROM documents WHERE id = :id", id=document) == 1


def test_the_oldest_of_equal_webhooks_stays_active_and_none_is_lost(before: Make) -> None:
    database = before("deactivate_duplicate_webhooks")
    user, other = database.column("SELECT id FROM users ORDER BY id LIMIT 2")
    rows: list[dict[str, Any]] = [
        {"name": "later", "created_at": "2024-06-01"},
        {"name": "oldest", "created_at": "2024-01-01"},
        {"name": "latest", "created_at": "2024-12-01"},
        {"name": "older, and off", "created_at": "2001-01-01", "is_active": False},
        {"name": "other url", "created_at": "2024-12-01", "url": "/other"},
        {"name": "other user", "created_at": "2024-12-01", "user_id": other},
    ]
    for row in rows:
        database.insert("webhooks", **{"user_id": user, "url": "/same", "events": ["a"], **row})
    was = database.query("SELECT id, name, url, events, secret, updated_at FROM webhooks ORDER BY id")
    database.upgrade("deactivate_duplicate_webhooks")
    assert database.query("SELECT id, name, url, events, secret, updated_at FROM webhooks ORDER BY id") == was
    active = database.column("SELECT name FROM webhooks WHERE is_active AND url IN ('/same', '/other')")
    assert sorted(active) == ["oldest", "other url", "other user"]


def test_the_younger_of_two_webhooks_stays_on_when_the_older_is_switched_off_meanwhile(before: Make) -> None:
    database = before("deactivate_duplicate_webhooks")
    user = database.column("SELECT id FROM users ORDER BY id LIMIT 1")[0]
    for name, year in (("older", "2024"), ("younger", "2025")):
        database.insert("webhooks", user_id=user, name=name, url="/same", created_at=f"{year}-01-01")
    with database.engine.connect() as code:
        code.execute(text("UPDATE webhooks SET is_active = false WHERE name = 'older' AND url = '/same'"))
        with database.while_it_waits("deactivate_duplicate_webhooks"):
            code.commit()
    assert database.column("SELECT name FROM webhooks WHERE url = '/same' AND is_active") == ["younger"]


def test_of_webhooks_of_one_moment_one_stays_whatever_the_batch(before: Make) -> None:
    database = before("deactivate_duplicate_webhooks")
    database.insert_many("webhooks", 6000, url="'/same ' || n % 10", created_at="'2024-01-01'")
    database.upgrade("deactivate_duplicate_webhooks")
    assert database.value("SELECT count(*) FROM webhooks WHERE url LIKE '/same%'") == 6000
    assert database.value("SELECT count(*) FROM webhooks WHERE url LIKE '/same%' AND is_active") == 10


def test_the_index_alone_fails_on_the_duplicates(before: Make) -> None:
    database = before("deactivate_duplicate_webhooks")
    with pytest.raises(IntegrityError, match="could not create unique index"):
        database.execute("CREATE UNIQUE INDEX naive ON webhooks (user_id, url) WHERE is_active")


def test_one_active_webhook_for_each_url_and_any_number_that_are_off(after: Make) -> None:
    database = after("unique_active_webhook_url")
    user, other = database.column("SELECT id FROM users ORDER BY id LIMIT 2")
    webhook = {"user_id": user, "url": "/hook"}
    first = database.insert("webhooks", **webhook)
    with pytest.raises(IntegrityError, match=INDEX):
        database.insert("webhooks", **webhook)
    database.insert("webhooks", **webhook | {"user_id": other})
    off = [database.insert("webhooks", **webhook, is_active=False) for _ in range(2)]
    with pytest.raises(IntegrityError, match=INDEX):
        database.execute("UPDATE webhooks SET is_active = true WHERE id = :id", id=off[0])
    database.execute("UPDATE webhooks SET is_active = false WHERE id = :id", id=first)
    database.execute("UPDATE webhooks SET is_active = true WHERE id = :id", id=off[0])


def test_a_constraint_over_is_active_would_allow_only_one_that_is_off(before: Make) -> None:
    database = before("unique_active_webhook_url")
    database.execute(
        "DELETE FROM webhooks; ALTER TABLE webhooks ADD CONSTRAINT naive UNIQUE (user_id, url, is_active)"
    )
    webhook = {"user_id": database.value("SELECT id FROM users LIMIT 1"), "url": "/hook"}
    database.insert("webhooks", **webhook, is_active=False)
    with pytest.raises(IntegrityError, match="naive"):
        database.insert("webhooks", **webhook, is_active=False)


def test_a_duplicate_that_comes_in_between_is_switched_off_by_going_back_one(before: Make) -> None:
    database = before("unique_active_webhook_url")
    user = database.value("SELECT id FROM users LIMIT 1")
    for year in (2024, 2023):
        database.insert("webhooks", user_id=user, url="/late", created_at=f"{year}-01-01")
    with pytest.raises(IntegrityError, match=INDEX):
        database.upgrade("unique_active_webhook_url")
    database.downgrade("deactivate_duplicate_webhooks")
    database.upgrade("unique_active_webhook_url")
    assert database.query(
        "SELECT extract(year FROM created_at), is_active FROM webhooks WHERE url = '/late' ORDER BY 1"
    ) == [(2023, True), (2024, False)]
    assert database.value(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass")


def test_webhooks_are_written_while_the_index_is_built(before: Make) -> None:
    database = before("unique_active_webhook_url")
    one, other = database.column("SELECT id FROM webhooks ORDER BY id LIMIT 2")
    write = text("UPDATE webhooks SET name = 'meanwhile' WHERE id = :id")
    with database.engine.connect() as long_transaction:
        long_transaction.execute(write, {"id": one})
        build = threading.Thread(target=database.upgrade, args=["unique_active_webhook_url"])
        build.start()
        while not database.query(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND query LIKE 'CREATE UNIQUE INDEX%' AND wait_event_type = 'Lock'"
        ):
            assert build.is_alive()
        with database.engine.begin() as writer:
            writer.execute(text("SET LOCAL lock_timeout = '1s'"))
            writer.execute(write, {"id": other})
        long_transaction.commit()
    build.join()
    assert set(database.column("SELECT id FROM webhooks WHERE name = 'meanwhile'")) == {one, other}


def test_the_naive_index_keeps_them_waiting(before: Make) -> None:
    database = before("unique_active_webhook_url")
    with database.engine.connect() as naive:
        naive.execute(text("CREATE UNIQUE INDEX naive ON webhooks (user_id, url) WHERE is_active"))
        with database.engine.connect() as writer:
            writer.execute(text("SET lock_timeout = '100ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                writer.execute(text("UPDATE webhooks SET name = 'meanwhile'"))
        naive.rollback()
