"""The partitions of the next months are there before anybody needs them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.support import Database, Make, wait_for

MAKE = "SELECT make_webhook_deliveries_partitions(3)"
PARTITION = "SELECT tableoid::regclass::text FROM webhook_deliveries WHERE id = :id"
# Months ahead, by the clock of the server.
NAME = "SELECT to_char(now() AT TIME ZONE 'UTC' + :n * interval '1 month', '\"webhook_deliveries_\"YYYY_MM')"


@pytest.fixture
def database(after: Make) -> Database:
    database = after("make_webhook_deliveries_partitions")
    # The sample's rows are of this month, or of times for which there is no partition.
    database.execute("DELETE FROM webhook_deliveries_default")
    return database


def test_it_makes_this_month_and_the_next_ones_and_moves_what_was_in_default(database: Database) -> None:
    now = database.insert("webhook_deliveries")
    assert database.value(PARTITION, id=now) == "webhook_deliveries_default"
    assert database.value(MAKE) == 4
    assert database.value(PARTITION, id=now) == database.value(NAME, n=0)
    ahead = database.value("SELECT now() + interval '80 days'")
    later = database.insert("webhook_deliveries", delivered_at=ahead)
    assert database.value(PARTITION, id=later) != "webhook_deliveries_default"
    assert database.value(MAKE) == 0


def test_a_partition_that_it_makes_is_like_the_others(database: Database) -> None:
    database.execute(MAKE)
    shape = (
        "SELECT replace(pg_get_indexdef(indexrelid), :partition, 'partition') FROM pg_index "
        "WHERE indrelid = CAST(:partition AS regclass) UNION ALL "
        "SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = CAST(:partition AS regclass) AND contype = 'f' ORDER BY 1"
    )
    made = database.column(shape, partition=database.value(NAME, n=1))
    assert made == database.column(shape, partition="webhook_deliveries_2025_02")


def test_two_that_run_at_once_make_each_once(database: Database) -> None:
    with database.engine.connect() as one, ThreadPoolExecutor(1) as thread:
        assert one.execute(text(MAKE)).scalar() == 4
        other = thread.submit(database.value, MAKE)
        wait_for(lambda: other.done() or database.query("SELECT FROM pg_locks WHERE NOT granted"))
        one.commit()
        assert other.result() == 0


def test_it_gives_up_where_the_table_is_in_use_for_long(database: Database) -> None:
    with database.engine.connect() as code:
        code.execute(text("SELECT FROM webhook_deliveries"))
        with pytest.raises(OperationalError, match="lock timeout"):
            database.execute(MAKE)
    assert database.value(MAKE) == 4
    with database.engine.connect() as code:
        code.execute(text("SELECT FROM webhook_deliveries"))
        assert database.value(MAKE) == 0  # nothing is missing: nothing is locked


def test_rows_that_stay_in_default_are_said(database: Database) -> None:
    database.insert("webhook_deliveries", delivered_at="2019-05-06 12:00+00")
    for moment in ("2020-12-31 23:30-01", "2021-01-01 01:00+00"):
        database.insert("webhook_deliveries", delivered_at=moment)
    said: list[str] = []
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.add_notice_handler(lambda notice: said.append(notice.message_primary))
        connection.execute(text(MAKE))
    assert said == ["webhook_deliveries_default holds rows of 2019-05, 2021-01"]
