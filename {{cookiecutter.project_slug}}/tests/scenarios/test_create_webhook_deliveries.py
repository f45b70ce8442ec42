"""A table in monthly partitions: a month is added, a month goes, and all are indexed."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from postgres.errors import PostgresError
from tests.support import Make

ALL = "SELECT to_jsonb(d) FROM webhook_deliveries d ORDER BY id, delivered_at"
JANUARY = "delivered_at >= '2025-01-01+00' AND delivered_at < '2025-02-01+00'"
FEBRUARY = "delivered_at >= '2025-02-01+00' AND delivered_at < '2025-03-01+00'"
BOUNDS = "FOR VALUES FROM ('2025-02-01+00') TO ('2025-03-01+00')"
WHERE = "SELECT tableoid::regclass::text FROM webhook_deliveries WHERE id = :id"


@pytest.mark.parametrize(
    ("moment", "partition"),
    [
        ("2024-12-31 23:59:59.999999+00", "webhook_deliveries_default"),
        ("2025-01-01 00:00:00+00", "webhook_deliveries_2025_01"),
        ("2025-01-31 23:59:59.999999+00", "webhook_deliveries_2025_01"),
        ("2025-02-01 00:30:00+01", "webhook_deliveries_2025_01"),  # still January in UTC
        ("2025-02-01 00:00:00+00", "webhook_deliveries_default"),
    ],
)
def test_a_delivery_goes_to_its_month_or_else_to_the_default(
    after: Make, moment: str, partition: str
) -> None:
    database = after("create_webhook_deliveries")
    delivery = database.insert("webhook_deliveries", delivered_at=moment)
    assert database.value(WHERE, id=delivery) == partition


def test_a_query_that_names_the_moment_reads_only_its_month(after: Make) -> None:
    database = after("create_webhook_deliveries")
    plan = database.plan(f"SELECT * FROM webhook_deliveries WHERE {JANUARY}")
    assert "webhook_deliveries_2025_01" in plan
    assert "webhook_deliveries_default" not in plan


def test_deliveries_go_with_their_webhook(after: Make) -> None:
    database = after("create_webhook_deliveries")
    webhook = database.value("SELECT webhook_id FROM webhook_deliveries LIMIT 1")
    database.execute("DELETE FROM webhooks WHERE id = :id", id=webhook)
    assert database.query("SELECT FROM webhook_deliveries WHERE webhook_id = :id", id=webhook) == []
    with pytest.raises(IntegrityError, match="fk_webhook_deliveries_webhook_id"):
        database.insert("webhook_deliveries", webhook_id="00000000-0000-0000-0000-000000000000")


def test_rows_that_waited_in_the_default_move_to_the_new_month_and_back(before: Make) -> None:
    database = before("add_webhook_deliveries_partition")
    rows = database.query(ALL)
    in_default = f"SELECT count(*) FROM webhook_deliveries_default WHERE {FEBRUARY}"
    waiting = database.value(in_default)
    assert waiting
    database.upgrade("add_webhook_deliveries_partition")
    assert database.query(ALL) == rows
    assert database.value(in_default) == 0
    assert database.value("SELECT count(*) FROM webhook_deliveries_2025_02") == waiting
    database.downgrade("add_webhook_deliveries_partition")
    assert database.query(ALL) == rows
    assert database.value(in_default) == waiting


def test_the_naive_way_fails_on_rows_that_are_in_the_default(before: Make) -> None:
    database = before("add_webhook_deliveries_partition")
    with pytest.raises(IntegrityError, match=r"default partition .* would be violated"):
        database.execute(f"CREATE TABLE naive PARTITION OF webhook_deliveries {BOUNDS}")


def test_a_delivery_that_is_recorded_meanwhile_goes_to_the_new_month_as_well(before: Make) -> None:
    database = before("add_webhook_deliveries_partition")
    with database.engine.connect() as code:
        delivery = code.scalar(
            text(
                "INSERT INTO webhook_deliveries (webhook_id, event, delivered_at) "
                "SELECT id, 'meanwhile', '2025-02-14' FROM webhooks LIMIT 1 RETURNING id"
            )
        )
        with database.while_it_waits("add_webhook_deliveries_partition"):
            code.commit()
    assert database.value(WHERE, id=delivery) == "webhook_deliveries_2025_02"


def test_the_parent_is_in_use_while_a_month_is_attached(before: Make) -> None:
    database = before("add_webhook_deliveries_partition")
    database.execute(f"DELETE FROM webhook_deliveries WHERE {FEBRUARY}")
    database.execute("CREATE TABLE new (LIKE webhook_deliveries)")
    attach = f"ALTER TABLE webhook_deliveries ATTACH PARTITION new {BOUNDS}"
    naive = f"CREATE TABLE naive PARTITION OF webhook_deliveries {BOUNDS}"
    use = text("UPDATE webhook_deliveries SET event = 'meanwhile' WHERE delivered_at = '2025-01-01+00'")
    with database.engine.connect() as changing, database.engine.connect() as user:
        user.execute(text("SET lock_timeout = '200ms'"))
        user.commit()
        changing.execute(text(attach))
        assert user.execute(use).rowcount == 1
        user.rollback()
        changing.rollback()
        changing.execute(text(naive))
        with pytest.raises(OperationalError, match="lock timeout"):
            user.execute(use)


def test_a_month_goes_and_the_others_stay(before: Make) -> None:
    database = before("detach_webhook_deliveries_partition")
    assert database.value(f"SELECT count(*) FROM webhook_deliveries WHERE {JANUARY}")
    others = f"SELECT to_jsonb(d) FROM webhook_deliveries d WHERE NOT ({JANUARY}) ORDER BY id, delivered_at"
    kept = database.query(others)
    database.upgrade("detach_webhook_deliveries_partition")
    assert database.query(ALL) == kept
    late = database.insert("webhook_deliveries", delivered_at="2025-01-15")
    assert database.value(WHERE, id=late) == "webhook_deliveries_default"
    database.downgrade("detach_webhook_deliveries_partition")
    assert database.query(others) == kept
    assert database.value(WHERE, id=late) == "webhook_deliveries_2025_01"


def test_detaching_concurrently_is_refused_while_there_is_a_default(before: Make) -> None:
    database = before("detach_webhook_deliveries_partition")
    with (
        database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        pytest.raises(DBAPIError, match="default partition exists"),
    ):
        connection.execute(
            text("ALTER TABLE webhook_deliveries DETACH PARTITION webhook_deliveries_2025_01 CONCURRENTLY")
        )


def test_the_index_is_valid_and_serves_every_partition(before: Make) -> None:
    database = before("index_webhook_deliveries")
    webhook = database.insert("webhooks", url="https://example.com/busy")
    database.insert_many(
        "webhook_deliveries", 40000, event="''",
        webhook_id=f"CASE WHEN n % 1000 = 0 THEN '{webhook}' ELSE (SELECT id FROM webhooks LIMIT 1) END",
        delivered_at="timestamptz '2025-01-15+00' + n * interval '1 minute'",
    )  # fmt: skip
    database.execute("ANALYZE webhook_deliveries")
    search = f"SELECT * FROM webhook_deliveries WHERE webhook_id = '{webhook}' ORDER BY delivered_at DESC"
    assert "webhook_id_delivered_at" not in database.plan(search)
    database.upgrade("index_webhook_deliveries")
    plan = database.plan(search)
    for partition in ("2025_02", "default"):
        assert f"idx_webhook_deliveries_{partition}_webhook_id_delivered_at" in plan
    assert "webhook_id_delivered_at" not in database.plan(
        "SELECT * FROM webhook_deliveries WHERE status_code = 500"
    )
    valid = (
        "SELECT indisvalid FROM pg_index "
        "WHERE indexrelid = 'idx_webhook_deliveries_webhook_id_delivered_at'::regclass"
    )
    assert database.value(valid) is True


def test_a_partition_that_no_revision_has_made_is_indexed_too(before: Make) -> None:
    database = before("index_webhook_deliveries")
    database.execute(
        'CREATE TABLE "Deliveries of 2030" PARTITION OF webhook_deliveries '
        "FOR VALUES FROM ('2030-01-01+00') TO ('2030-02-01+00')"
    )
    with pytest.raises(PostgresError, match="a partition of webhook_deliveries has no index yet"):
        database.offline_upgrade("index_webhook_deliveries")
    database.upgrade("index_webhook_deliveries")
    assert '"idx_Deliveries of 2030_webhook_id_delivered_at"' in database.column(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid"
    )


def test_a_partition_that_comes_later_gets_the_index_by_itself(after: Make) -> None:
    database = after("index_webhook_deliveries")
    database.execute(
        "CREATE TABLE webhook_deliveries_2030_01 PARTITION OF webhook_deliveries "
        "FOR VALUES FROM ('2030-01-01+00') TO ('2030-02-01+00')"
    )
    assert (
        database.value(
            "SELECT count(*) FROM pg_indexes WHERE tablename = 'webhook_deliveries_2030_01' "
            "AND indexdef LIKE '%(webhook_id, delivered_at)'"
        )
        == 1
    )
