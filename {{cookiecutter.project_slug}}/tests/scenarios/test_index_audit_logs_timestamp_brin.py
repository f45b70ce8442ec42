"""A BRIN index: small, for ranges, where the rows lie in its order."""

import pytest

from tests.support import Database, Make

WEEK = "timestamp >= '2030-01-08' AND timestamp < '2030-01-15'"
REPORT = f"SELECT action, count(*) FROM audit_logs WHERE {WEEK} GROUP BY action"
NEWEST = "SELECT timestamp FROM audit_logs{} ORDER BY timestamp DESC LIMIT 20"


@pytest.fixture
def database(before: Make) -> Database:
    """A log of which a test says what is in it."""
    database = before("index_audit_logs_timestamp_brin")
    database.execute("DELETE FROM audit_logs")
    return database


def fill(database: Database, minute: str) -> None:
    timestamp = f"timestamptz '2030-01-01' + ({minute}) * interval '1 minute'"
    database.insert_many("audit_logs", 50000, action="'entry'", timestamp=timestamp)
    database.execute("ANALYZE audit_logs")


def test_a_range_of_the_log_is_found_and_may_be_sorted_but_all_of_it_has_no_order(database: Database) -> None:
    fill(database, "n")
    newest_of_the_week = NEWEST.format(f" WHERE {WEEK}")
    found = database.query(REPORT), database.query(newest_of_the_week)
    database.upgrade("index_audit_logs_timestamp_brin")
    assert "idx_audit_logs_timestamp_brin" in database.plan(REPORT)
    assert "idx_audit_logs_timestamp_brin" in database.plan(newest_of_the_week)
    assert (database.query(REPORT), database.query(newest_of_the_week)) == found
    assert database.query(REPORT) == [("entry", 7 * 24 * 60)]
    assert "idx_audit_logs_timestamp_brin" not in database.plan(NEWEST.format(""))


def test_it_is_a_small_part_of_the_b_tree(database: Database) -> None:
    fill(database, "n")
    size = "SELECT pg_relation_size(CAST(:index AS regclass))"
    b_tree = database.value(size, index="idx_audit_logs_timestamp")
    database.upgrade("index_audit_logs_timestamp_brin")
    assert database.value(size, index="idx_audit_logs_timestamp_brin") < b_tree / 20


def test_beside_a_b_tree_it_is_not_used(database: Database) -> None:
    fill(database, "n")
    database.upgrade("index_audit_logs_timestamp_brin")
    database.execute("CREATE INDEX naive ON audit_logs (timestamp)")
    assert "naive" in database.plan(REPORT)


def test_rows_out_of_order_make_it_useless(database: Database) -> None:
    fill(database, "n * 7919 % 50000")
    database.upgrade("index_audit_logs_timestamp_brin")
    assert "idx_audit_logs_timestamp_brin" not in database.plan(REPORT)
    assert database.query(REPORT) == [("entry", 7 * 24 * 60)]
